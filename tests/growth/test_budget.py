"""Budgets are met, and never exceeded, in every measure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from growsearch import Grower, InputError, grow, trace
from growsearch.growth import Allowance, Budget, GrowthContext, Ledger, NewUnit, Removal
from growsearch.growth.allowance import GrowthSoFar, allowance_for
from growsearch.growth.cost import NetworkCost
from growsearch.registry import names
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, sgd, train, widths

HUGE = 1 << 60
WIDE = [where for where in names("where")]


def grown(model: nn.Module, steps: int, **policy: Any) -> Grower:
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="zero", **policy)
    for event in train(model, optimizer, grower, steps):
        assert event.refused is None
    return grower


@pytest.mark.parametrize(
    "budget", [{"height": 3}, {"width": 2.0, "units": 3}, {}, {"width": 0.0}, {"units": -1}, {"flops": float("nan")}]
)
def test_a_budget_names_one_measure_above_zero(budget: dict[str, float]) -> None:
    with pytest.raises(InputError, match="budget"):
        Budget.of(budget)


@pytest.mark.parametrize("budget", [{"width": 0.9}, {"parameters": 70}, {"flops": 10}])
def test_a_budget_below_the_seed_network_is_refused(budget: dict[str, float]) -> None:
    with pytest.raises(InputError, match="below the seed network, which has"):
        grower_for(mlp(), budget=budget)


def test_a_budget_of_the_seed_network_itself_allows_nothing() -> None:
    model = mlp()
    seed = sum(p.numel() for p in model.parameters())
    assert seed == 71
    for budget in ({"width": 1.0}, {"parameters": seed}):
        grower = grown(model, 2, budget=budget)
        assert grower.progress.exhausted and grower.graph.parameters == seed


@pytest.mark.parametrize("amount", [0, -0.5, float("nan")])
def test_an_amount_must_be_above_zero(amount: float) -> None:
    with pytest.raises(InputError, match="amount"):
        grower_for(mlp(), amount=amount)


@pytest.mark.parametrize("where", ["uniform", "random", "singular_value"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_width_budget_is_met_exactly_at_the_last_event(where: str, count: int) -> None:
    grower = grown(mlp(), 6, budget={"width": 2.5}, where=where, when={"interval": {"every": 1, "count": count}})
    assert widths(grower) == {"first": 10, "second": 15}


@pytest.mark.parametrize("where", WIDE)
def test_a_width_budget_is_never_exceeded(where: str) -> None:
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="zero", where=where, budget={"width": 2.0}, amount=0.6)
    for _ in range(12):
        train(model, optimizer, grower, 1)
        assert all(width <= limit for width, limit in zip(widths(grower).values(), (8, 12), strict=True))
    assert widths(grower) == {"first": 8, "second": 12}
    # One that removes units can always go on.
    assert grower.progress.exhausted or Removal in grower.policy.where.takes


def test_events_of_a_width_budget_are_even() -> None:
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(
        model, optimizer, how="zero", budget={"width": 4.0}, when={"schedule": {"steps": [1, 2, 3, 4, 5, 6]}}
    )
    assert [event.sites for event in train(model, optimizer, grower, 7)] == [{"first": 2, "second": 3}] * 6


@pytest.mark.parametrize("where", ["uniform", "random", "singular_value"])
@pytest.mark.parametrize("units", [1, 2, 7])
@pytest.mark.parametrize("amount", [None, 0.25])
def test_a_units_budget_is_met_exactly(where: str, units: int, amount: float | None) -> None:
    """Also where there are fewer units than events."""
    grower = grown(
        mlp(), 6, budget={"units": units}, where=where, when={"interval": {"every": 1, "count": 4}}, amount=amount
    )
    assert sum(widths(grower).values()) == 10 + units


def test_a_width_budget_of_fewer_units_than_events_is_met() -> None:
    """One unit for `first` and two for `second`, over five events."""
    grower = grown(mlp(), 6, budget={"width": 1.3}, when={"interval": {"every": 1, "count": 5}})
    assert widths(grower) == {"first": 5, "second": 8}


@pytest.mark.parametrize("measure", ["parameters", "flops"])
@pytest.mark.parametrize("build", [mlp, cnn], ids=["mlp", "cnn"])
@pytest.mark.parametrize("where", WIDE)
def test_parameters_and_flops_are_never_exceeded_and_nearly_used_up(where: str, build: Any, measure: str) -> None:
    model = build()
    optimizer = sgd(model)
    seed = getattr(trace(model, batch_for(model)[0]), measure)
    limit = int(2.3 * seed)
    grower = grower_for(model, optimizer, how="zero", where=where, budget={measure: limit}, amount=1.0)
    used = []
    for _ in range(12):
        train(model, optimizer, grower, 1)
        used.append(getattr(grower.graph, measure))
    assert max(used) <= limit
    per_unit = f"{measure}_per_unit"
    assert limit - used[-1] < min(getattr(site, per_unit) for site in grower.graph.sites.values())
    # One that removes units can always go on.
    assert grower.progress.exhausted or Removal in grower.policy.where.takes
    assert grower.graph.parameters == sum(p.numel() for p in model.parameters())
    # A network at its budget can be continued from a checkpoint.
    grower_for(model, optimizer, budget={measure: limit})


@pytest.mark.parametrize("count", [2, 3, 12])
def test_parameters_are_spread_over_the_events(count: int) -> None:
    """Also over so many that one event's part does not pay for a unit."""
    model = mlp()
    optimizer = sgd(model)
    when = {"interval": {"every": 1, "count": count}}
    grower = grower_for(model, optimizer, how="zero", budget={"parameters": 71 + 90}, when=when)
    events = train(model, optimizer, grower, count)
    assert 71 + 90 - 11 - 8 <= grower.graph.parameters <= 71 + 90
    gains = [event.parameters_after - event.parameters_before for event in events]
    assert max(gains) <= 90 / count + 30


def event_of(model: nn.Module, **limits: Any) -> GrowthContext:
    graph = trace(model, batch_for(model)[0])
    names = list(graph.sites)
    allowance = Allowance(dict.fromkeys(names, 9), dict.fromkeys(names, HUGE), **{"units": HUGE, **limits})
    return GrowthContext(model, graph, dict(graph.sites), {}, allowance, torch.Generator(), {}, objective)


def take(event: GrowthContext, *sites: str) -> list[bool]:
    ledger = event.ledger()
    return [
        ledger.take(NewUnit(name, i, event.sites[name].parameters_per_unit, event.sites[name].flops_per_unit))
        for i, name in enumerate(sites)
    ]


def test_the_ledger_counts_units_and_caps() -> None:
    event = event_of(mlp(), units=3)
    assert take(event, "first", "second", "second", "first") == [True, True, True, False]
    event.allowance = Allowance({"first": 1}, {"first": 1, "second": HUGE}, HUGE)
    assert take(event, "first", "first", "second") == [True, False, True]


def test_the_ledger_counts_the_weight_in_which_two_sites_meet() -> None:
    """11 for a unit of `first`, 8 for one of `second`, 1 for their common weight: 20 in all."""
    assert take(event_of(mlp(), parameters=71 + 20), "first", "second") == [True, True]
    assert take(event_of(mlp(), parameters=71 + 19), "first", "second") == [True, False]
    # FLOPs: two for each weight, 2 * (4 + 6), 2 * (4 + 3), and 2 for the common weight.
    seed = 2 * (4 * 4 + 4 * 6 + 6 * 3)
    assert take(event_of(mlp(), flops=seed + 36), "first", "second") == [True, True]
    assert take(event_of(mlp(), flops=seed + 35), "first", "second") == [True, False]


def allowed(budget: dict[str, float] | None, amount: float | None, over: int | None, **now: Any) -> Allowance:
    """For sites a (4 units in the seed) and b (8)."""
    used, before = {"parameters": 100, "flops": 1000}, {"added": 0, "events": 0, "moves": False, "left": {}}
    settings = {"current": {"a": 4, "b": 8}, "used": used, **before, **now}
    so_far = GrowthSoFar(seed={"a": 4, "b": 8}, unit_cost={"a": 10.0, "b": 5.0}, **settings)
    return allowance_for(Budget.of(budget), so_far, amount, over)


def test_amount_is_a_share_of_the_seed() -> None:
    grown = allowed(None, 0.5, 3, current={"a": 8, "b": 16})
    assert grown.requests == {"a": 2, "b": 4} and grown.units == 6
    assert allowed(None, 0.01, None).requests == {"a": 1, "b": 1}
    assert allowed(None, None, None).requests == {"a": 1, "b": 2}


def test_what_the_budget_leaves_is_spread_over_the_events_left() -> None:
    assert allowed({"width": 2.0}, None, 2).requests == {"a": 2, "b": 4}
    assert allowed({"width": 2.0}, None, 1, current={"a": 7, "b": 9}).requests == {"a": 1, "b": 7}
    assert allowed({"units": 10}, None, 5).units == 2
    assert allowed({"units": 10}, None, 1, added=7).units == 3
    assert allowed({"parameters": 160}, None, 3).parameters == 120
    assert allowed({"flops": 1600}, None, 2).flops == 1300


def test_an_amount_is_limited_by_what_the_budget_leaves() -> None:
    capped = allowed({"width": 1.25}, 1.0, None)
    assert capped.requests == {"a": 1, "b": 2} and capped.units == 3
    assert allowed({"units": 10}, 1.0, None, added=7).units == 3
    assert allowed({"parameters": 160}, 1.0, None).parameters == 160
    assert allowed({"units": 10}, None, 4, added=10).empty


def test_a_budget_may_hold_a_limit_for_each_event() -> None:
    budget = Budget.of({"parameters": [100, 80]})
    assert budget is not None
    assert [budget.at(events) for events in range(4)] == [100, 80, 80, 80]
    with pytest.raises(InputError, match="give one limit"):
        Budget.of({"width": [1.0, 2.0]})
    with pytest.raises(InputError, match="above 0"):
        Budget.of({"parameters": []})


def test_removals_make_room_and_leave_a_unit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    graph = trace(model, torch.randn(2, 5))
    limit = graph.parameters
    allowance = Allowance({"0": 1}, {"0": HUGE}, HUGE, parameters=limit)
    ledger = Ledger(allowance, NetworkCost(model, graph), graph.flops)
    added = NewUnit("0", 0, 8, 14)
    removed = Removal("0", 0, -8, -14, 0)
    assert not ledger.take(added)
    assert ledger.take(removed)
    assert ledger.parameters == limit - 8
    assert ledger.take(added)
    assert ledger.parameters == limit
    assert [ledger.take(removed) for _ in range(3)] == [True, True, False]


def test_an_event_asks_for_its_part_of_the_parameters_in_proportion_to_the_seed() -> None:
    """Half of the 400 that are left is 2.5 times what the seed's units cost (4 of 10 and 8 of 5)."""
    grown = allowed({"parameters": 500}, None, 2)

    assert grown.requests == {"a": 10, "b": 20} and grown.parameters == 300
    assert allowed({"flops": 1160}, None, 1).requests == {"a": 8, "b": 16}


@pytest.mark.parametrize("measure", ["parameters", "flops"])
def test_what_is_left_limits_each_site_unless_removals_make_room(measure: str) -> None:
    left = {"used": {"parameters": 100, "flops": 100}}
    assert allowed({measure: 160}, 1.0, None, **left).caps == {"a": 6, "b": 12}
    assert allowed({measure: 160}, 1.0, None, moves=True, **left).caps == {"a": HUGE, "b": HUGE}


class Attending(nn.Module):
    """Its first layer computes, but has no weight of that name."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(5, 1, batch_first=True)
        self.first, self.last = nn.Linear(5, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(self.attention(x, x, x)[0]).relu())
        return out


def test_a_layer_whose_weights_have_other_names_costs_what_it_costs() -> None:
    model, x = Attending(), torch.randn(4, 2, 5)
    graph = trace(model, x)
    cost = NetworkCost(model, graph)
    event = grow(model, x, {"first": 2}, "zero")
    assert cost.parameters({"first": 2}) == event.parameters_after
    assert cost.shared_flops({"first": 2}) == 0
    assert graph.flops + 2 * graph.sites["first"].flops_per_unit == event.flops_after

"""Selectors: which sites get the units of an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch

import growsearch
from growsearch.graph import trace
from growsearch.growth import Allowance, Candidate, GrowthContext, NewUnit, Selector, Split
from growsearch.growth.policy import strategy
from growsearch.growth.statistics.decompose import Triplets
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.steepest.curvature import lowest_curvature
from growsearch_strategies.tiny.bottleneck import ExpressivityBottleneck
from tests.growth.tasks import batch_for, grower_for, mlp, objective, sgd, train, widths

HUGE = 1 << 60


def selector(name: str, **parameters: Any) -> Selector:
    return strategy(Selector, "where", {name: parameters})


def context(
    requests: dict[str, int], units: int | None = None, caps: dict[str, int] | None = None, **limits: int
) -> GrowthContext:
    """Of the network 4 - 4 - 6 - 3, with sites first (4 units) and second (6 units)."""
    model = mlp()
    graph = trace(model, batch_for(model)[0])
    total = sum(requests.values()) if units is None else units
    allowance = Allowance(requests, caps or dict.fromkeys(requests, HUGE), total, **limits)
    sites = {name: graph.sites[name] for name in requests}
    return GrowthContext(
        model, graph, sites, {}, allowance, torch.Generator().manual_seed(0), {}, objective, [batch_for(model)]
    )


def candidates(context: GrowthContext, plan: dict[str, int]) -> list[Candidate]:
    return [
        NewUnit(name, index, context.sites[name].parameters_per_unit, context.sites[name].flops_per_unit)
        for name, units in plan.items()
        for index in range(units)
    ]


def chosen(where: Selector, event: GrowthContext) -> dict[str, int]:
    plan = {name: units for name, units in where.plan(event).items() if units > 0}
    return dict(Counter(c.site for c in where.select(candidates(event, plan), event)))


def with_values(event: GrowthContext, values: dict[str, Sequence[float]]) -> GrowthContext:
    """Singular values given instead of computed."""
    nothing = {name: torch.zeros(len(found), 1) for name, found in values.items()}
    given = {name: [Triplets(torch.tensor(values[name]), zeros, zeros)] for name, zeros in nothing.items()}
    event.triplets = lambda plan: given  # type: ignore[method-assign]  # stands in for what is computed
    return event


def test_uniform_gives_every_site_its_share() -> None:
    assert chosen(selector("uniform"), context({"first": 2, "second": 3})) == {"first": 2, "second": 3}


def test_uniform_keeps_the_proportion_where_the_budget_ends_in_between() -> None:
    assert chosen(selector("uniform"), context({"first": 4, "second": 8}, units=6)) == {"first": 2, "second": 4}


def test_uniform_keeps_to_the_caps() -> None:
    event = context({"first": 4, "second": 8}, caps={"first": 1, "second": HUGE})
    assert chosen(selector("uniform"), event) == {"first": 1, "second": 8}


def test_uniform_grows_in_proportion_to_the_seed_widths() -> None:
    model = mlp()
    grower = grower_for(model, where="uniform", amount=0.5)
    train(model, sgd(model), grower, 2)
    assert widths(grower) == {"first": 4 + 2 * 2, "second": 6 + 2 * 3}


def test_round_robin_takes_one_site_after_the_other() -> None:
    event = context({"first": 2, "second": 3})
    where = selector("round_robin")
    assert [chosen(where, event) for _ in range(3)] == [{"first": 2}, {"second": 3}, {"first": 2}]


def test_round_robin_passes_over_a_site_without_room() -> None:
    event = context({"first": 2, "second": 3}, caps={"first": 0, "second": HUGE})
    assert [chosen(selector("round_robin"), event) for _ in range(2)] == [{"second": 3}, {"second": 3}]
    assert chosen(selector("round_robin"), context({"first": 2, "second": 3}, caps={"first": 0, "second": 0})) == {}


def test_the_turn_of_round_robin_is_in_the_checkpoint() -> None:
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, where="round_robin", amount=0.5)
    first = train(model, optimizer, grower, 1)
    resumed = grower_for(model, optimizer, where="round_robin", amount=0.5)
    resumed.load_state_dict(grower.state_dict())
    second = train(model, optimizer, resumed, 1)
    assert [event.sites for event in first + second] == [{"first": 2}, {"second": 3}]
    forgetful = grower_for(model, optimizer, where="round_robin", amount=0.5)
    assert list(train(model, optimizer, forgetful, 1)[0].sites) == ["first"]


def test_random_draws_from_the_growths_own_generator() -> None:
    requests = {"first": 10, "second": 10}
    torch.manual_seed(1)
    one = chosen(selector("random"), context(requests))
    torch.manual_seed(2)
    assert chosen(selector("random"), context(requests)) == one
    others = [context(requests) for _ in range(5)]
    for seed, other in enumerate(others):
        other.generator.manual_seed(seed)
    assert any(chosen(selector("random"), other) != one for other in others)
    assert sum(one.values()) == 20


def test_random_draws_in_proportion_to_the_shares() -> None:
    """1000 draws with probability 1/4 and 3/4: 250 expected, standard deviation 13.7."""
    found = chosen(selector("random"), context({"first": 250, "second": 750}))
    assert abs(found["first"] - 250) < 60 and sum(found.values()) == 1000


def test_random_meets_the_budget_with_what_has_room() -> None:
    event = context({"first": 5, "second": 5}, caps={"first": 1, "second": HUGE})
    assert chosen(selector("random"), event) == {"first": 1, "second": 9}
    assert chosen(selector("random"), context({"first": 5, "second": 5}, caps={"first": 1, "second": 2})) == {
        "first": 1,
        "second": 2,
    }
    assert sum(chosen(selector("random"), context({"first": 5, "second": 5}, units=3)).values()) == 3


def test_singular_value_takes_the_largest() -> None:
    event = with_values(context({"first": 2, "second": 2}), {"first": [5.0, 4, 3, 0.5], "second": [3.5, 1, 0.9, 0.8]})
    event.allowance = Allowance({"first": 1, "second": 1}, {"first": HUGE, "second": HUGE}, 4)
    assert chosen(selector("singular_value"), event) == {"first": 3, "second": 1}


def test_singular_value_limits_a_site_to_its_multiple() -> None:
    values = {"first": [9.0] * 8, "second": [1.0] * 8}
    for spread, expected in ((1, {"first": 2, "second": 2}), (1.5, {"first": 3, "second": 1}), (2, {"first": 4})):
        event = with_values(context({"first": 2, "second": 2}), values)
        assert chosen(selector("singular_value", multiplier=spread), event) == expected


def test_an_absolute_threshold_leaves_out_smaller_values() -> None:
    values = {"first": [5.0, 4, 3, 2], "second": [3.5, 1, 0.9, 0.8]}
    event = with_values(context({"first": 2, "second": 2}, units=8), values)
    assert chosen(selector("singular_value", threshold=3.2, multiplier=2), event) == {"first": 2, "second": 1}
    assert chosen(selector("singular_value", threshold=5, multiplier=2), event) == {}


def test_a_relative_threshold_is_a_share_of_the_largest_value_so_far() -> None:
    where = selector("singular_value", threshold=0.5, relative=True, multiplier=2)
    event = with_values(context({"first": 1, "second": 1}, units=4), {"first": [8.0, 3.9], "second": [4.1, 1]})
    assert chosen(where, event) == {"first": 1, "second": 1}
    assert event.state == {"where": {"largest": 8.0}}
    # Smaller values later do not lower the bar.
    with_values(event, {"first": [4.5, 3.9], "second": [3.5, 1]})
    assert chosen(where, event) == {"first": 1}


def test_singular_values_are_those_of_the_gradient_matrix() -> None:
    """M = E[g x'] of the layers around a site, by hand; the loss is blind to one site."""
    event = context({"first": 1, "second": 1}, units=2)
    x, y = event.batches[0]
    model = event.model
    hidden = torch.relu(model.get_submodule("first")(x))
    output = model.get_submodule("head")(torch.relu(model.get_submodule("second")(hidden)))
    (g,) = torch.autograd.grad(torch.nn.functional.mse_loss(output, y), output)
    sigma = torch.linalg.svdvals(g.T @ hidden)
    triplets = event.triplets({"first": 2, "second": 2})
    assert torch.allclose(triplets["second"][0].values, sigma[:2], rtol=1e-4)
    assert torch.all(triplets["first"][0].values > 0)


@pytest.mark.parametrize("where", ["uniform", "random", "round_robin", "singular_value"])
def test_no_selector_exceeds_parameters(where: str) -> None:
    """One unit of `first` costs 5 + 6 = 11 parameters, one of `second` 5 + 3 = 8, and each pair one more."""
    seed = 4 * 5 + 6 * 5 + 3 * 7
    event = context({"first": 4, "second": 6}, parameters=seed + 48)
    where_ = selector(where)
    plan = {name: units for name, units in where_.plan(event).items() if units > 0}
    found = Counter(c.site for c in where_.select(candidates(event, plan), event))
    first, second = found["first"], found["second"]
    cost = 11 * first + 8 * second + first * second
    assert 0 < cost <= 48


def test_round_robin_uses_up_a_budget_that_is_spread_over_the_events() -> None:
    model = torch.nn.Sequential(
        *(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 8)),
        *(torch.nn.Tanh(), torch.nn.Linear(8, 3)),
    )
    grower = growsearch.Grower(
        model,
        None,
        torch.randn(2, 4),
        when={"schedule": {"steps": [1, 2, 3, 4]}},
        where="round_robin",
        how="zero",
        budget={"width": 2.0},
    )
    events = [grower.step() for _ in range(4)]
    assert all(event is not None for event in events)
    assert [grower.graph.sites[name].width for name in ("0", "2", "4")] == [8, 12, 16]


def test_uniform_keeps_the_proportions_where_an_event_has_less_than_a_unit_for_each_site() -> None:
    model = torch.nn.Sequential(
        *(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 8)),
        *(torch.nn.Tanh(), torch.nn.Linear(8, 3)),
    )
    steps = list(range(1, 11))
    grower = growsearch.Grower(
        model, None, torch.randn(2, 4), when={"schedule": {"steps": steps}}, how="zero", budget={"units": 32}
    )
    for _ in steps:
        grower.step()
    assert [grower.graph.sites[name].width for name in ("0", "2", "4")] == [16, 32, 16]


def test_expressivity_fills_the_site_with_the_highest_score_first() -> None:
    """tr(M dW) + phi'(0) sum s^2, over as many units as are proposed at the site."""
    event = context({"first": 2, "second": 2}, units=3)
    gains = {name: event.statistics.get(ExpressivityBottleneck(name)).gain(8) for name in ("first", "second")}
    best, other = sorted(gains, key=lambda name: -gains[name])

    assert gains[best] > gains[other] > 0
    assert chosen(selector("expressivity"), event) == {best: 3}


def test_splitting_ranks_units_of_any_initializer_by_the_lowest_eigenvalues() -> None:
    """The i-th new unit of a site by the i-th lowest there; the site whose units have the lower ones wins."""
    event = context({"first": 2, "second": 2}, units=2)
    where = selector("splitting")
    problems = site_problems(
        event.model, event.graph, list(event.sites.values()), {"first": range(4), "second": range(6)}
    )
    with eval_no_dropout(event.model):
        found = lowest_curvature(
            SurrogateProblem(event.model, objective, problems, "auto"), event.batches, 4.0, 16, torch.Generator()
        )
    ranked = sorted((float(v), name) for name, values in found.values.items() for v in values)

    assert chosen(where, event) == dict(Counter(name for _, name in ranked[:2]))
    # A split is ranked by its own unit.
    lowest = int(found.values["second"].argmin())
    splits: list[Candidate] = [Split("second", i, 9, 9, i) for i in range(6)]
    assert where.select(splits, event)[0].unit == lowest


def test_splitting_leaves_out_what_would_raise_the_loss() -> None:
    event = context({"first": 2, "second": 2}, units=4)
    shift = {("first.weight", 0): (torch.ones(1, 4), -torch.ones(1, 4))}
    predicted = (-2.0, 1.0, -3.0, 0.0)
    splits: list[Candidate] = [
        Split("first", i, 9, 9, i, shifts=shift, exact=False, predicted_change=change)
        for i, change in enumerate(predicted)
    ]
    assert [c.index for c in selector("splitting").select(splits, event)] == [2, 0]

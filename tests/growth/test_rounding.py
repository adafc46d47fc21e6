"""Widths are multiples of `round_to` after every event, whatever chooses them, and no budget is exceeded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from growsearch import Grower, InputError
from growsearch.growth import Removal
from growsearch.registry import lookup, names
from tests.growth.tasks import batch_for, grower_for, mlp, objective, sgd, train, widths

ADDING = [name for name in names("where") if name not in ("gauss_newton", "nest")]
SEED = {"first": 4, "second": 6}


def grown(steps: int, **policy: Any) -> tuple[Grower, list[dict[str, int]]]:
    """The grower after so many steps, and the widths after each of its events."""
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, **{"how": "zero", **policy})
    seen = []
    for _ in range(steps):
        for event in train(model, optimizer, grower, 1):
            assert event.refused is None
            seen.append(widths(grower))
    return grower, seen


def off(seen: list[dict[str, int]], multiple: int) -> list[int]:
    """Widths that growth has changed, and that are no multiples."""
    return [width for each in seen for name, width in each.items() if width != SEED[name] and width % multiple]


@pytest.mark.parametrize("where", ADDING)
@pytest.mark.parametrize("budget", [{"width": 5.0}, {"units": 40}, {"parameters": 900}, {"flops": 1500}])
def test_every_width_is_a_multiple_and_the_budget_holds(where: str, budget: dict[str, float]) -> None:
    grower, seen = grown(8, where=where, budget=budget, round_to=8)

    assert seen and not off(seen, 8)
    grown_units = sum(grower.graph.sites[name].units - units for name, units in SEED.items())
    assert all(width <= 5 * SEED[name] for name, width in widths(grower).items()) or "width" not in budget
    assert grown_units <= budget.get("units", 1e9)
    assert grower.graph.parameters <= budget.get("parameters", 1e9) and grower.graph.flops <= budget.get("flops", 1e9)


def test_without_it_widths_are_anything() -> None:
    assert off(grown(8, budget={"width": 5.0})[1], 8)


@pytest.mark.parametrize("how", ["zero", "split", "copy_width", "gradmax", "firefly"])
def test_whichever_way_units_start(how: str) -> None:
    seen = grown(3, how=how, round_to=4, budget={"width": 4.0}, when={"interval": {"every": 1, "count": 3}})[1]
    assert seen[-1] == {"first": 16, "second": 24} and not off(seen, 4)


@pytest.mark.parametrize(("budget", "final"), [({"width": 2.5}, (8, 8)), ({"width": 4.0}, (16, 24))])
def test_growth_ends_at_the_last_multiple_within_the_budget(budget: dict[str, float], final: tuple[int, int]) -> None:
    grower, _ = grown(4, budget=budget, round_to=8, when={"interval": {"every": 1, "count": 3}})
    assert tuple(widths(grower).values()) == final
    assert grower.full


def test_a_budget_below_a_whole_step_allows_nothing() -> None:
    for budget in ({"width": 1.2}, {"units": 1}, {"parameters": 75}):
        grower, seen = grown(3, budget=budget, round_to=8)
        assert not seen and grower.full and widths(grower) == SEED


def test_what_an_event_has_no_whole_step_for_counts_at_the_next() -> None:
    """Of two units an event each site is owed 1: half a step of 4 is due at the first, and a whole one every second."""
    model = mlp()
    model.second, model.head = nn.Linear(4, 4), nn.Linear(4, 3)
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="zero", amount=0.25, round_to=4)
    added = []
    for _ in range(8):
        before = sum(widths(grower).values())
        train(model, optimizer, grower, 1)
        added.append(sum(widths(grower).values()) - before)
    assert added == [4, 0, 4, 0, 4, 0, 4, 0]
    assert widths(grower) == {"first": 12, "second": 12}


def test_all_events_together_add_what_the_budget_says() -> None:
    when = {"interval": {"every": 1, "count": 6}}
    grower, seen = grown(6, budget={"units": 62}, round_to=4, when=when)
    assert sum(widths(grower).values()) == 10 + 62 and not off(seen, 4)


def test_groups_of_channels_take_the_least_common_multiple() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=4), nn.Flatten(), nn.Linear(16, 3))
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="zero", round_to=6, budget={"width": 3.5}, sites=["0"])
    assert grower.graph.sites["0"].granularity == 4
    seen = []
    for _ in range(6):
        objective(model, batch_for(model)).backward()
        optimizer.step()
        if grower.step() is not None:
            seen.append(widths(grower)["0"])
    assert seen == [12, 24]


def test_a_checkpoint_holds_what_sites_are_owed() -> None:
    settings: dict[str, Any] = {"amount": 0.25, "round_to": 8, "how": "random", "where": "random"}
    runs = []
    for stop in (0, 3):
        model = mlp()
        optimizer = sgd(model)
        grower = grower_for(model, optimizer, **settings)
        if stop:
            train(model, optimizer, grower, stop)
            state = grower.state_dict()
            grower = grower_for(model, optimizer, **settings)
            grower.load_state_dict(state)
        train(model, optimizer, grower, 9 - stop)
        runs.append(widths(grower))
    assert runs[0] == runs[1] != SEED


@pytest.mark.parametrize("wrong", [0, -8, 2.5, True])
def test_it_is_a_whole_number_of_at_least_one(wrong: Any) -> None:
    with pytest.raises(InputError, match="round_to: .* is not allowed: give a whole number of at least 1"):
        grower_for(mlp(), round_to=wrong)


def test_strategies_that_remove_units_have_no_place_beside_it() -> None:
    for where in ("gauss_newton", "nest"):
        assert Removal in lookup("where", where).takes
        with pytest.raises(InputError, match=f"round_to 8: where {where} with how {where} changes networks by Removal"):
            grower_for(mlp(), where=where, how=where, round_to=8)
        grower_for(mlp(), where=where, how="zero", round_to=8)

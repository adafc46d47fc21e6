"""No site becomes wider than its limit, whatever chooses and however new units start."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from growsearch import Grower, InputError, trace
from growsearch.growth import Policy
from growsearch.growth.room import Room
from growsearch.registry import names
from growsearch.surgery import BlockInsertion, apply_edits
from growsearch.testing.subjects import Chain
from tests.growth.tasks import grower_for, mlp, sgd, train, widths

SEED = {"first": 4, "second": 6}
BUDGETS: list[dict[str, float] | None] = [{"width": 5.0}, {"units": 40}, {"parameters": 900}, {"flops": 1500}, None]


def grown(steps: int, **policy: Any) -> Grower:
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, **{"how": "zero", **policy})
    assert all(event.refused is None for event in train(model, optimizer, grower, steps))
    return grower


@pytest.mark.parametrize("where", [name for name in names("where") if name not in ("gauss_newton", "nest")])
@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_sites_stay_within_their_limit_whatever_chooses(where: str, budget: dict[str, float] | None) -> None:
    free = widths(grown(4, where=where, budget=budget))
    held = widths(grown(4, where=where, budget=budget, limits={"*": 7}))

    assert max(free.values()) > 7 >= max(held.values()) and held != SEED


@pytest.mark.parametrize("events", [1, 3])
def test_what_a_site_may_not_have_the_others_get(events: int) -> None:
    """30 units, of which the first site takes 1."""
    when = {"interval": {"every": 1, "count": events}}
    assert widths(grown(3, when=when, limits={"first": 5}, budget={"units": 30})) == {"first": 5, "second": 35}

    free, held = (grown(3, when=when, limits=limits, budget={"parameters": 500}) for limits in (None, {"first": 5}))
    assert held.graph.parameters > 500 - held.graph.sites["second"].parameters_per_unit
    assert free.graph.sites["second"].width < held.graph.sites["second"].width


@pytest.mark.parametrize("policy", ["gauss_newton", "nest"])
def test_so_it_does_where_units_and_connections_are_chosen_together(policy: str) -> None:
    free, held = (
        widths(grown(2, where=policy, how=policy, budget={"width": 4.0}, limits=limits)) for limits in (None, {"*": 6})
    )
    assert max(free.values()) > 6 >= max(held.values())


def test_the_smallest_limit_of_several_patterns_holds_and_all_at_their_limits_is_full() -> None:
    grower = grown(9, limits={"*": 9, "fir*": 8}, budget={"width": 5.0})
    assert widths(grower) == {"first": 8, "second": 9} and grower.full


def test_events_share_what_the_limit_leaves() -> None:
    model = mlp()
    optimizer = sgd(model)
    when = {"interval": {"every": 1, "count": 3}}
    grower = grower_for(model, optimizer, how="zero", when=when, budget={"width": 4.0}, limits={"first": 10})
    seen = []
    for _ in range(3):
        train(model, optimizer, grower, 1)
        seen.append(widths(grower)["first"])
    assert seen == [6, 8, 10]


def test_rounding_ends_at_the_last_multiple_below_the_limit() -> None:
    assert widths(grown(9, limits={"*": 15}, round_to=4))["first"] == 12
    assert widths(grown(9, limits={"*": 15}, round_to=4, budget={"units": 99}))["first"] == 12


def test_a_site_that_is_wider_already_stays_as_it_is() -> None:
    assert widths(grown(3, limits={"first": 2}))["first"] == SEED["first"]


def test_limits_go_on_after_a_checkpoint() -> None:
    state = grown(2, limits={"first": 7}).state_dict()
    assert state["limits"] == {"first": 7}

    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="zero", limits={"first": 9})
    before = dict(grower.state_dict(), limits={"first": 7})
    grower.load_state_dict(before)
    train(model, optimizer, grower, 9)
    assert widths(grower)["first"] == 7


def test_chains_of_blocks_are_limited_by_blocks() -> None:
    found = {}
    for limit in (3, 5):
        torch.manual_seed(0)
        model = Chain()
        optimizer = sgd(model)
        grower = grower_for(model, optimizer, how="identity_blocks", limits={"blocks": limit})
        train(model, optimizer, grower, 5)
        found[limit] = grower.graph.block_sites["blocks"].blocks
    assert found == {3: 3, 5: 5}


def test_copies_of_a_limited_site_are_limited_too() -> None:
    torch.manual_seed(0)
    model, example = Chain(), torch.randn(4, 4)
    room = Room(Policy.of("never", "uniform", "zero"), trace(model, example), None, None, None, 1, {"blocks.1.up": 9})
    longer = BlockInsertion("blocks", "", 0, 2, copies=((1, 1),))
    apply_edits(model, [longer])

    room.follow(trace(model, example), [], [longer])

    assert room.state_dict()["limits"] == {"blocks.1.up": 9, "blocks.2.up": 9}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"limits": {"frist": 8}}, "'frist' matches none of first, second.*did you mean 'first'"),
        ({"limits": {"first": 0}}, "'first': 0 is not allowed"),
        ({"limits": {"first": 8.5}}, "8.5 is not allowed"),
        ({"limits": {"first": 8}, "how": "identity"}, "identity inserts layers"),
    ],
)
def test_a_limit_that_cannot_hold_is_refused(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grower_for(mlp(), **{"how": "zero", **policy})

"""Directions of a new part: where they begin, and how long they are."""

from __future__ import annotations

import pytest
import torch

from growsearch.growth.candidate import NewUnit, Split
from growsearch.growth.directions import Direction, Probe, Start

KEY = ("next.weight", 1)


def start(share: float) -> Start:
    """A split whose copy has `share` of the outgoing weights that its source keeps; its direction is to be found."""
    free = torch.zeros(3, 1)
    split = Split("site", 0, 0, 0, 0, share)
    direction = Direction(shifts={KEY: (free, torch.zeros_like(free))})
    return Start(Probe(split, split, direction), (free,), radius=2.0)


@pytest.mark.parametrize("share", [1.0, 0.5, 2.0])
def test_copy_and_source_of_a_split_move_so_that_the_function_stays_to_first_order(share: float) -> None:
    gradient = torch.tensor([[3.0], [0.0], [4.0]])

    found = start(share).finish([gradient], step=0.1).direction

    ahead, back = found.shifts[KEY]
    copy, source = share / (1 + share), 1 / (1 + share)
    torch.testing.assert_close(copy * back + source * ahead, torch.zeros(3, 1))
    # Against the gradient, by step * radius = 0.2 for the mean of the two where the shares are equal.
    torch.testing.assert_close(ahead, -2 * copy * 0.2 * gradient / 5)


def test_without_a_gradient_nothing_moves() -> None:
    found = start(1.0).finish([torch.zeros(3, 1)], step=0.1).direction

    assert float(found.shifts[KEY][0].abs().max()) == 0.0


def test_a_new_unit_moves_against_the_gradient_by_a_share_of_the_radius() -> None:
    free, gradient = torch.zeros(2, 2), torch.tensor([[0.0, 2.0], [0.0, 0.0]])
    unit = NewUnit("site", 0, 0, 0, {KEY: torch.ones(2, 2)})

    found = Start(Probe(unit, unit, Direction(fills={KEY: free})), (free,), radius=3.0).finish([gradient], 0.5)

    assert found.direction.fills[KEY].tolist() == [[0.0, -1.5], [0.0, 0.0]]

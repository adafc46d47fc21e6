"""Edits of several sites on one axis become one re-indexing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from growsearch.errors import GrowthRefused
from growsearch.surgery.edits import AxisEdit, Span
from growsearch.surgery.moves import moves_of

SHAPE = (6, 2)


def edit(source: tuple[int, ...], span: Span, shifted: tuple[int, ...], scale: tuple[float, ...] | None) -> AxisEdit:
    fill = torch.rand(source.count(-1), 2, dtype=torch.float64)
    shift = torch.rand(len(shifted), 2, dtype=torch.float64) if shifted else None
    return AxisEdit("weight", 0, source, fill, scale, (span,), shifted, shift)


@pytest.fixture
def sides() -> tuple[AxisEdit, AxisEdit]:
    """Of positions 0 to 5: a unit behind 1, which is shifted with its own; 4 is removed, and 5 copied and shifted."""
    first = edit((0, 1, -1, 2, 3, 4, 5), Span(0, 2, 3), (1, 2), None)
    second = edit((0, 1, 2, 3, 5, 5), Span(4, 6, 2), (5,), (1.0, 1.0, 1.0, 1.0, 0.25, 0.75))
    return first, second


@pytest.mark.parametrize("turned", [False, True])
def test_two_edits_of_an_axis_become_one_move(sides: tuple[AxisEdit, AxisEdit], turned: bool) -> None:
    first, second = sides
    [move] = moves_of(SHAPE, (second, first) if turned else (first, second))

    assert move.source == (0, 1, -1, 2, 3, 5, 5)
    assert move.scale == (1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.75)
    assert move.shifted == (1, 2, 6)
    assert torch.equal(given(move.fill), given(first.fill))
    assert torch.equal(given(move.shift), torch.cat([given(first.shift), given(second.shift)]))


def test_one_edit_is_kept_as_it_is(sides: tuple[AxisEdit, AxisEdit]) -> None:
    _, second = sides

    [move] = moves_of(SHAPE, [second])

    assert (move.source, move.scale, move.shifted) == (second.source, second.scale, (5,))
    assert move.shift is second.shift


def test_without_scales_and_shifts_there_are_none(sides: tuple[AxisEdit, AxisEdit]) -> None:
    first = AxisEdit("weight", 0, (0, -1, 1, 2, 3, 4, 5), 2.0, None, (Span(0, 1, 2),))
    second = AxisEdit("weight", 0, (0, 1, 2, 3, 4, 5, -1), 0.0, None, (Span(5, 6, 2),))

    [move] = moves_of(SHAPE, [first, second])

    assert (move.source, move.scale, move.shifted, move.shift) == ((0, -1, 1, 2, 3, 4, 5, -1), None, (), None)
    assert given(move.fill).tolist() == [[2.0, 2.0], [0.0, 0.0]]


def test_two_edits_of_the_same_part_are_refused(sides: tuple[AxisEdit, AxisEdit]) -> None:
    first, _ = sides

    with pytest.raises(GrowthRefused, match="re-index the same part of axis 0"):
        moves_of(SHAPE, [first, first])


def given(tensor: Tensor | float | None) -> Tensor:
    assert isinstance(tensor, Tensor)
    return tensor

"""Blocks and repeats: joining, cutting and binding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from growsearch.graph.spaces import (
    Block,
    Space,
    Unsupported,
    freeze,
    is_frozen,
    resolve,
    space,
    take,
    tie,
    unify,
    width,
)


def units(pieces: Space) -> list[tuple[Block, int]]:
    """For every position its block and unit."""
    return [(block, u) for block, repeat in resolve(pieces) for u in range(block.size) for _ in range(repeat)]


def test_unified_axes_are_the_same_positions() -> None:
    one, two, joined = space(3), space(5), space(8)

    unify((*one, *two), joined)

    assert units(joined) == units((*one, *two))
    assert [block.size for block, _ in resolve(joined)] == [3, 5]


def test_a_repeated_axis_binds_a_plain_one() -> None:
    channels, rows = space(4), space(12)

    unify(rows, tuple((block, 3) for block, _ in channels))

    assert [(block.size, repeat) for block, repeat in resolve(rows)] == [(4, 3)]


def test_contradictions_freeze() -> None:
    channels = space(4)

    unify(((channels[0][0], 2),), (*channels, *channels))

    assert is_frozen(channels)


def test_axes_of_different_size_are_not_one() -> None:
    with pytest.raises(Unsupported, match="different size"):
        unify(space(4), space(6))


def test_slices_cut_blocks() -> None:
    axis = space(10)

    middle = take(axis, 3, 7)

    assert units(middle) == units(axis)[3:7]
    assert [block.size for block, _ in resolve(axis)] == [3, 4, 3]


def test_a_border_inside_a_unit_is_refused() -> None:
    with pytest.raises(Unsupported, match="inside a repeated unit"):
        take(((Block(4), 3),), 0, 5)


def test_tied_parts_are_one_block() -> None:
    axis = space(12)

    tie(axis, 4)

    assert [(block.size, repeat) for block, repeat in resolve(axis)] == [(3, 1)] * 4
    assert len({block for block, _ in resolve(axis)}) == 1


def test_unequal_parts_are_refused() -> None:
    with pytest.raises(Unsupported, match="10 channels in 4 parts"):
        tie(space(10), 4)


def test_reasons_travel_with_joining_and_cutting() -> None:
    one, two = space(6), space(6)
    freeze(one, "first")
    take(one, 0, 2)

    unify(two, one)
    freeze(two, "second")

    assert {block.reason for block, _ in resolve(two)} == {"first"}


@st.composite
def cuts(draw: st.DrawFn, total: int = 24) -> list[int]:
    borders = sorted(draw(st.sets(st.integers(1, total - 1), max_size=4)))
    return [b - a for a, b in zip([0, *borders], [*borders, total], strict=True)]


@given(cuts(), cuts(), cuts())
def test_unification_is_transitive_whatever_the_borders(first: list[int], second: list[int], third: list[int]) -> None:
    one, two, three = (tuple(piece for size in sizes for piece in space(size)) for sizes in (first, second, third))

    unify(one, two)
    unify(three, two)

    assert units(one) == units(two) == units(three)
    assert width(resolve(one)) == 24

"""Rows, columns and lanes of the layered layout."""

from __future__ import annotations

import pytest

from growsearch.drawing.layout import Cell, Edge, Layout, layered

BLOCK = {"in": (), "first": ("in",), "second": ("first",), "add": ("second", "in"), "out": ("add",)}
BRANCHES = {"in": (), "a": ("in",), "b": ("in",), "c": ("in",), "under_c": ("c",), "under_a": ("a",), "under_b": ("b",)}


def edge(layout: Layout, source: str, target: str) -> Edge:
    return next(edge for edge in layout.edges if (edge.source, edge.target) == (source, target))


def test_a_box_stands_one_row_below_the_last_that_feeds_it() -> None:
    layout = layered(BLOCK)

    assert {name: cell.row for name, cell in layout.cells.items()} == {
        "in": 0,
        "first": 1,
        "second": 2,
        "add": 3,
        "out": 4,
    }
    assert (layout.rows, layout.columns) == (5, 1)


def test_boxes_of_a_row_are_in_the_order_of_what_feeds_them_around_the_middle() -> None:
    layout = layered(BRANCHES)

    assert [layout.cells[name].column for name in ("a", "b", "c")] == [-1, 0, 1]
    assert [layout.cells[name].column for name in ("under_a", "under_b", "under_c")] == [-1, 0, 1]


def test_every_edge_is_there_and_only_those_over_several_rows_have_a_lane() -> None:
    layout = layered(BLOCK)

    assert {(edge.source, edge.target) for edge in layout.edges} == {
        (source, name) for name, sources in BLOCK.items() for source in sources
    }
    assert {(edge.source, edge.target) for edge in layout.edges if edge.lane is not None} == {("in", "add")}


def test_an_edge_over_several_rows_passes_beside_their_boxes_on_the_shortest_way() -> None:
    around = edge(layered(BLOCK), "in", "add")
    past = edge(layered({**BRANCHES, "sum": ("a", "under_b")}), "a", "sum")
    straight = edge(layered({"in": (), "a": ("in",), "b": ("in",), "c": ("a",), "sum": ("c", "b")}), "b", "sum")

    assert around.lane == 0.5  # right of the only column
    assert past.lane == -0.5  # from column -1 to column 0, between the two boxes of the row in between
    assert straight.lane == 0.5  # from column 0.5 straight down beside the box at 0


@pytest.mark.parametrize("layers", [3, 6])
def test_no_lane_crosses_a_box_where_everything_feeds_everything(layers: int) -> None:
    names = [str(number) for number in range(layers)]
    sources = {name: tuple(names[:number]) for number, name in enumerate(names)}
    sources |= {f"side {name}": (name,) for name in names}

    layout = layered(sources)

    for one in layout.edges:
        start, end = layout.cells[one.source].row, layout.cells[one.target].row
        between = [cell.column for cell in layout.cells.values() if start < cell.row < end]
        assert (one.lane is None) == (not between)
        assert one.lane is None or all(abs(one.lane - column) >= 0.5 for column in between)


def test_nothing_has_an_empty_layout() -> None:
    assert layered({}) == Layout({}, (), 0, 0)
    assert layered({"only": ()}).cells == {"only": Cell(0, 0)}

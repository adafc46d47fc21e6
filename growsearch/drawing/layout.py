"""The layered layout: rows by longest path, order within a row by what feeds it, lanes for edges over several rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """Where a box stands: its row from the top, and its column counted from the middle, in halves."""

    row: int
    column: float


@dataclass(frozen=True)
class Edge:
    """What feeds a box.

    An edge over several rows runs down at the column `lane`, where no box of the rows between stands; None for an edge
    to the next row.
    """

    source: str
    target: str
    lane: float | None


@dataclass(frozen=True)
class Layout:
    """Places of boxes by name, the edges between them, the number of rows and the boxes of the longest one."""

    cells: dict[str, Cell]
    edges: tuple[Edge, ...]
    rows: int
    columns: int


def layered(sources: Mapping[str, Sequence[str]]) -> Layout:
    """Lay out boxes; `sources` names what feeds each of them and lists a box after all that feed it."""
    rows = _rows(sources)
    cells: dict[str, Cell] = {}
    for number, row in enumerate(rows):
        means = {name: _mean([cells[source].column for source in sources[name]]) for name in row}
        row.sort(key=means.__getitem__)
        cells |= {name: Cell(number, column - (len(row) - 1) / 2) for column, name in enumerate(row)}
    columns = [[cells[name].column for name in row] for row in rows]
    edges = tuple(
        Edge(source, name, _lane(cells[source], cells[name], columns))
        for name, feeding in sources.items()
        for source in feeding
    )
    return Layout({name: cells[name] for name in sources}, edges, len(rows), max(map(len, rows), default=0))


def _rows(sources: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Boxes by the length of the longest path to them."""
    levels: dict[str, int] = {}
    for name, feeding in sources.items():
        levels[name] = 1 + max((levels[source] for source in feeding), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(levels.values(), default=-1))]
    for name, level in levels.items():
        rows[level].append(name)
    return rows


def _lane(start: Cell, end: Cell, columns: Sequence[Sequence[float]]) -> float | None:
    """The free column with the shortest way; of two as short, the one on the right."""
    taken = {column for row in columns[start.row + 1 : end.row] for column in row}
    if not taken:
        return None
    beside = {column + side for column in taken for side in (-0.5, 0.5)}
    free = [lane for lane in beside | {start.column, end.column} if all(abs(lane - column) >= 0.5 for column in taken)]
    return min(free, key=lambda lane: (abs(lane - start.column) + abs(lane - end.column), -lane))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

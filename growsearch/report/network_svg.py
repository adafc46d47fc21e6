"""A network before and after growth, drawn: boxes by layers from top to bottom, with bars as long as they are wide."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from growsearch.report.network import Box

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 310, 40, 46, 22, 8
_BAR = 9  # height
_LETTERS = 20

# The hatching of what growth added: once in the page, before any drawing.
HATCH = (
    '<svg class="hatch" width="0" height="0" aria-hidden="true"><defs><pattern id="grown" width="6" height="6" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="under" width="6" height="6"/>'
    '<rect class="over" width="2" height="6"/></pattern></defs></svg>'
)


def network_svg(boxes: Sequence[Box], label: str) -> str:
    """The drawing; `label` says what it shows, to those who cannot see it."""
    rows = _rows(boxes)
    width = max(map(len, rows)) * (_WIDTH + _GAP_X) + _GAP_X + 2 * _MARGIN  # on both sides as much as between boxes
    height = len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    places = {
        box.name: (
            width / 2 + (column - (len(row) - 1) / 2) * (_WIDTH + _GAP_X) - _WIDTH / 2,
            _MARGIN + level * (_HEIGHT + _GAP_Y),
        )
        for level, row in enumerate(rows)
        for column, box in enumerate(row)
    }
    widest = max((max(box.before or 0, box.after or 0) for box in boxes), default=0) or 1
    levels = {box.name: box.level for box in boxes}
    edges = [
        _edge(places[source], places[box.name], box.level - levels[source]) for box in boxes for source in box.sources
    ]
    drawn = [_drawn(box, *places[box.name], widest) for box in boxes]
    return (
        f'<svg class="network" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(edges)}{"".join(drawn)}</svg>'
    )


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """Boxes by their level; within a row near the mean column of what feeds them."""
    rows: list[list[Box]] = [[] for _ in range(1 + max(box.level for box in boxes))]
    for box in boxes:
        rows[box.level].append(box)
    centre: dict[str, float] = {}
    for row in rows:
        means = {box.name: _mean([centre[source] for source in box.sources]) for box in row}
        row.sort(key=lambda box: means[box.name])
        centre.update({box.name: column - (len(row) - 1) / 2 for column, box in enumerate(row)})
    return rows


def _drawn(box: Box, x: float, y: float, widest: int) -> str:
    """Name and widths above the bar of a site; without a site only the name."""
    changed = box.after is not None and box.before != box.after
    title = f"<title>{escape(f'{box.name} ({box.what}): {_widths(box)}' if box.after else box.name)}</title>"
    if box.after is None:
        what = box.name if box.name == box.what else f"{_short(box.name)} ({box.what})"
        text = f'<text class="middle" x="{x + _WIDTH / 2:.0f}" y="{y + 25:.0f}">{escape(what)}</text>'
        frame = f'<rect class="frame" x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="20"/>'
        return f"<g>{title}{frame}{text}</g>"
    frame = (
        f'<rect class="frame{" changed" if changed else ""}" x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="5"/>'
    )
    text = (
        f'<text x="{x + 9:.0f}" y="{y + 16:.0f}">{escape(_short(box.name))} <tspan class="what">{escape(box.what)}'
        f'</tspan></text><text class="end" x="{x + _WIDTH - 9:.0f}" y="{y + 16:.0f}">{_widths(box)}</text>'
    )
    return f"<g>{title}{frame}{text}{_bar(box, x + 9, y + 23, (_WIDTH - 18) / widest)}</g>"


def _bar(box: Box, x: float, y: float, scale: float) -> str:
    """What stayed plain, what was added hatched, what was removed as an empty outline."""
    before, after = box.before or 0, box.after or 0
    parts = [("seed", 0, min(before, after)), ("added", before, after), ("removed", after, before)]
    return "".join(
        f'<rect class="{kind}" x="{x + scale * start:.1f}" y="{y:.0f}" width="{scale * (end - start):.1f}" '
        f'height="{_BAR}"/>'
        for kind, start, end in parts
        if end > start
    )


def _widths(box: Box) -> str:
    if box.inserted:
        return f"new, {box.after}"
    return f"{box.after}" if box.before == box.after else f"{box.before} → {box.after}"


def _edge(start: tuple[float, float], end: tuple[float, float], rows: int) -> str:
    """A line from the bottom of a box to the top of another; past other rows it goes around them on the right."""
    x0, y0 = start[0] + _WIDTH / 2, start[1] + _HEIGHT
    x1, y1 = end[0] + _WIDTH / 2, end[1]
    if rows == 1:
        return f'<path d="M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + 11:.0f} {x1:.0f} {y1 - 11:.0f} {x1:.0f} {y1:.0f}"/>'
    side = max(x0, x1) + _WIDTH / 2 + _GAP_X / 2
    return (
        f'<path d="M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + 16:.0f} {side:.0f} {y0:.0f} {side:.0f} {y0 + _GAP_Y:.0f}'
        f'V{y1 - _GAP_Y:.0f}C{side:.0f} {y1:.0f} {x1:.0f} {y1 - 16:.0f} {x1:.0f} {y1:.0f}"/>'
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"…{text[1 - _LETTERS :]}"

"""A layered drawing of a graph as SVG text: rows by longest path, boxes coloured by the site they carry."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape

from growsearch.graph.call import Call
from growsearch.graph.network import NetworkGraph
from growsearch.graph.rules import operation

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 250, 40, 30, 30, 24
_LETTERS = 36
_KEY_WIDTH = 4 * 150 + _MARGIN
_STYLE = """
svg { --page: #ffffff; --ink: #1f2328; --line: #8c959f; --plain: #f0f2f4;
  --exact: #d3f2d9; --mixing: #fff0c2; --frozen: #ffdcd7; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --ink: #e6edf3; --line: #7d8590; --plain: #262c36;
    --exact: #173d24; --mixing: #4a3a0c; --frozen: #57201b; }
}
text { font: 11px ui-monospace, monospace; fill: var(--ink); text-anchor: middle; }
text.small { font-size: 9px; opacity: 0.8; }
text.key { text-anchor: start; }
rect.page { fill: var(--page); stroke: none; }
rect.box { stroke: var(--line); }
path { fill: none; stroke: var(--line); }
.plain { fill: var(--plain); } .exact { fill: var(--exact); }
.mixing { fill: var(--mixing); } .frozen { fill: var(--frozen); }
"""


@dataclass(frozen=True)
class _Box:
    """Calls drawn as one, and the boxes that feed it."""

    calls: tuple[Call, ...]
    sources: tuple[str, ...]


def to_svg(graph: NetworkGraph) -> str:
    """The drawing; parameters and constants are left out, normalisations and activations join the box before them."""
    boxes = _boxes(graph)
    rows = _rows(boxes)
    columns = max(len(row) for row in rows)
    width = max(2 * _MARGIN + columns * (_WIDTH + _GAP_X) + 2 * _GAP_X, _KEY_WIDTH)
    height = 2 * _MARGIN + len(rows) * (_HEIGHT + _GAP_Y) + 20
    places = {
        name: (width / 2 + (column - (len(row) - 1) / 2) * (_WIDTH + _GAP_X), _MARGIN + 20 + level * (_HEIGHT + _GAP_Y))
        for level, row in enumerate(rows)
        for column, name in enumerate(row)
    }
    levels = {name: level for level, row in enumerate(rows) for name in row}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *_key(),
    ]
    for name, box in boxes.items():
        parts += [_edge(places[source], places[name], levels[name] - levels[source]) for source in box.sources]
    parts += [_drawn(graph, box, *places[name]) for name, box in boxes.items()]
    return "\n".join([*parts, "</svg>", ""])


def _boxes(graph: NetworkGraph) -> dict[str, _Box]:
    """Boxes by the name of their first call, in execution order."""
    shown = {name: call for name, call in graph.calls.items() if call.kind not in ("parameter", "constant")}
    shown = {name: call for name, call in shown.items() if call.target != "item"}
    readers: dict[str, int] = defaultdict(int)
    for call in shown.values():
        for source in _sources(graph, call):
            readers[source] += 1
    box_of: dict[str, str] = {}
    boxes: dict[str, _Box] = {}
    for name, call in shown.items():
        sources = [source for source in _sources(graph, call) if source in shown]
        if operation(call.rule).drawn_as == "label" and len(sources) == 1 and readers[sources[0]] == 1:
            box_of[name] = box_of[sources[0]]
            box = boxes[box_of[name]]
            boxes[box_of[name]] = _Box((*box.calls, call), box.sources)
        else:
            box_of[name] = name
            boxes[name] = _Box((call,), tuple(dict.fromkeys(box_of[source] for source in sources)))
    return boxes


def _sources(graph: NetworkGraph, call: Call) -> list[str]:
    """Calls that feed this one, through the items of nested outputs, each once."""
    found = []
    for _, name in call.references():
        while graph.calls[name].target == "item":
            name = next(source for _, source in graph.calls[name].references())
        found.append(name)
    return list(dict.fromkeys(found))


def _rows(boxes: dict[str, _Box]) -> list[list[str]]:
    """Boxes by length of the longest path to them; within a row near the mean column of what feeds them."""
    levels: dict[str, int] = {}
    for name, box in boxes.items():
        levels[name] = 1 + max((levels[source] for source in box.sources), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(levels.values()))]
    for name, level in levels.items():
        rows[level].append(name)
    centre: dict[str, float] = {}
    for row in rows:
        sources = {name: [centre[source] for source in boxes[name].sources] for name in row}
        means = {name: sum(near) / len(near) if near else 0.0 for name, near in sources.items()}
        row.sort(key=means.__getitem__)
        centre.update({name: column - (len(row) - 1) / 2 for column, name in enumerate(row)})
    return rows


def _drawn(graph: NetworkGraph, box: _Box, x: float, y: float) -> str:
    sites = list(graph.layouts.get(box.calls[-1].name, {}))
    kind = graph.sites[sites[0]].kind if sites else "plain"
    shape = box.calls[-1].shape
    does = " · ".join(call.rule or "no rule" for call in box.calls)
    size = f"{does}  {'x'.join(map(str, shape))}" if shape is not None else does
    reasons = [f"site {name}: {graph.sites[name].kind} {graph.sites[name].reason}".strip() for name in sites]
    title = "\n".join([*(call.name for call in box.calls), *reasons])
    return (
        f'<g><title>{escape(title)}</title><rect class="box {kind}" x="{x - _WIDTH / 2:.0f}" y="{y:.0f}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y + 17:.0f}">{escape(_short(box.calls[0].name))}</text>'
        f'<text class="small" x="{x:.0f}" y="{y + 31:.0f}">{escape(_short(size, 45))}</text></g>'
    )


def _edge(start: tuple[float, float], end: tuple[float, float], rows: int) -> str:
    """A curve from the bottom of a box to the top of another; past other rows it bends to the side."""
    x0, y0 = start[0], start[1] + _HEIGHT
    x1, y1 = end
    bend = _GAP_Y / 2 if rows == 1 else (y1 - y0) / 3
    side = 0.0 if rows == 1 else _WIDTH * 0.8
    points = [(x0 + side, y0 + bend), (x1 + side, y1 - bend), (x1, y1)]
    return f'<path d="M{x0:.0f},{y0:.0f} C{" ".join(f"{x:.0f},{y:.0f}" for x, y in points)}"/>'


def _key() -> list[str]:
    parts = []
    for index, (kind, text) in enumerate(
        [("exact", "grows exactly"), ("mixing", "grows, normalised"), ("frozen", "cannot grow"), ("plain", "no site")]
    ):
        x = _MARGIN + 150 * index
        parts.append(f'<rect class="box {kind}" x="{x}" y="6" width="14" height="14" rx="3"/>')
        parts.append(f'<text class="key" x="{x + 20}" y="17">{text}</text>')
    return parts


def _short(text: str, letters: int = _LETTERS) -> str:
    return text if len(text) <= letters else f"…{text[1 - letters :]}"

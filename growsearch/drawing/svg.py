"""A graph as SVG text: boxes coloured by the site they carry."""

from __future__ import annotations

from html import escape

from growsearch.drawing.boxes import CallBox, call_boxes
from growsearch.drawing.canvas import Canvas, Sizes, shortened
from growsearch.drawing.layout import layered
from growsearch.graph import NetworkGraph

_KEY = {"exact": "grows exactly", "mixing": "grows, normalised", "frozen": "cannot grow", "plain": "no site"}
_KEY_STEP, _MARGIN = 150, 24
_SIZES = Sizes(250, 40, 30, 30, _MARGIN, head=20, least_width=len(_KEY) * _KEY_STEP + _MARGIN)
_NAME_LETTERS, _WHAT_LETTERS = 36, 45
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


def graph_svg(graph: NetworkGraph) -> str:
    """Draw the calls of a graph as a file of its own, with a key."""
    boxes = call_boxes(graph)
    canvas = Canvas(layered({name: box.sources for name, box in boxes.items()}), _SIZES)
    width, height = canvas.width, canvas.height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *_key(),
        *canvas.paths(),
        *(_drawn(graph, box, *canvas.corner(name)) for name, box in boxes.items()),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _drawn(graph: NetworkGraph, box: CallBox, x: float, y: float) -> str:
    sites = list(graph.layouts.get(box.calls[-1].name, {}))
    kind = graph.sites[sites[0]].kind if sites else "plain"
    shape = box.calls[-1].shape
    does = " · ".join(call.rule or "no rule" for call in box.calls)
    what = f"{does}  {'x'.join(map(str, shape))}" if shape is not None else does
    reasons = [f"site {name}: {graph.sites[name].kind} {graph.sites[name].reason}".strip() for name in sites]
    title = "\n".join([*(call.name for call in box.calls), *reasons])
    middle = x + _SIZES.width / 2
    return (
        f'<g><title>{escape(title)}</title><rect class="box {kind}" x="{x:.0f}" y="{y:.0f}" '
        f'width="{_SIZES.width}" height="{_SIZES.height}" rx="6"/>'
        f'<text x="{middle:.0f}" y="{y + 17:.0f}">{escape(shortened(box.calls[0].name, _NAME_LETTERS))}</text>'
        f'<text class="small" x="{middle:.0f}" y="{y + 31:.0f}">{escape(shortened(what, _WHAT_LETTERS))}</text></g>'
    )


def _key() -> list[str]:
    parts = []
    for index, (kind, text) in enumerate(_KEY.items()):
        x = _MARGIN + _KEY_STEP * index
        parts.append(f'<rect class="box {kind}" x="{x}" y="6" width="14" height="14" rx="3"/>')
        parts.append(f'<text class="key" x="{x + 20}" y="17">{text}</text>')
    return parts

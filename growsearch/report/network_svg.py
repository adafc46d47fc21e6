"""A network before and after growth, drawn: boxes by layers from top to bottom, with bars as long as they are wide."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from growsearch.drawing.canvas import Canvas, Sizes, shortened
from growsearch.drawing.layout import layered
from growsearch.report.network_boxes import Box

_SIZES = Sizes(310, 40, 46, 22, 8)
_WIDTH, _HEIGHT = _SIZES.width, _SIZES.height
_BAR = 9  # height
_LETTERS = 20

# The hatching of what growth added: once in the page, before any drawing.
HATCH = (
    '<svg class="hatch" width="0" height="0" aria-hidden="true"><defs><pattern id="grown" width="6" height="6" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="under" width="6" height="6"/>'
    '<rect class="over" width="2" height="6"/></pattern></defs></svg>'
)


def network_svg(boxes: Sequence[Box], label: str) -> str:
    """Draw the boxes; `label` says what the drawing shows, to those who cannot see it."""
    canvas = Canvas(layered({box.name: box.sources for box in boxes}), _SIZES)
    width, height = canvas.width, canvas.height
    widest = max((max(box.before or 0, box.after or 0) for box in boxes), default=0) or 1
    drawn = [_drawn(box, *canvas.corner(box.name), widest) for box in boxes]
    return (
        f'<svg class="network" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(canvas.paths())}{"".join(drawn)}</svg>'
    )


def _drawn(box: Box, x: float, y: float, widest: int) -> str:
    """Name and widths above the bar of a site; without a site only the name."""
    changed = box.after is not None and box.before != box.after
    title = f"<title>{escape(f'{box.name} ({box.what}): {_widths(box)}' if box.after else box.name)}</title>"
    if box.after is None:
        what = box.name if box.name == box.what else f"{shortened(box.name, _LETTERS)} ({box.what})"
        text = f'<text class="middle" x="{x + _WIDTH / 2:.0f}" y="{y + 25:.0f}">{escape(what)}</text>'
        frame = f'<rect class="frame" x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="20"/>'
        return f"<g>{title}{frame}{text}</g>"
    frame = (
        f'<rect class="frame{" changed" if changed else ""}" x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="5"/>'
    )
    name = escape(shortened(box.name, _LETTERS))
    text = (
        f'<text x="{x + 9:.0f}" y="{y + 16:.0f}">{name} <tspan class="what">{escape(box.what)}</tspan></text>'
        f'<text class="end" x="{x + _WIDTH - 9:.0f}" y="{y + 16:.0f}">{_widths(box)}</text>'
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

"""The pictures of docs/concepts.md as SVG, which follows the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from torch import Tensor

import growsearch

STYLE = """
svg { --ink: #1f2328; --soft: #59636e; --line: #8c959f; --old: #3b5b8c; --new: #2da44e; --bad: #bc4c00; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9198a1; --line: #7d8590; --old: #9cc2ff; --new: #3fb950; --bad: #f0883e; }
}
text { font: 15px ui-sans-serif, system-ui, sans-serif; fill: var(--ink); }
.soft { fill: var(--soft); font-size: 13px; } .middle { text-anchor: middle; } .end { text-anchor: end; }
.cell { stroke: var(--line); stroke-width: 0.8; } .old { fill: var(--old); } .new { fill: var(--new); }
.line { fill: none; stroke: var(--old); stroke-width: 2; } .axis { fill: none; stroke: var(--line); }
.event { stroke: var(--new); stroke-dasharray: 3 3; } .box { fill: none; stroke: var(--line); rx: 8px; }
.good { stroke: var(--new); stroke-width: 2; } .bad { stroke: var(--bad); stroke-width: 2; }
"""
CELL, WIDTH = 20, 540
NAMES = {"0.weight": "makes them", "0.bias": "bias", "2.weight": "reads them"}


def site_svg(event: growsearch.GrowthEvent, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> str:
    """Return the tensors of a site before and after a growth: as dark as a weight is large, what is new in green."""
    masks = event.new_weights()
    largest = max(float(after[name].abs().max()) for name in NAMES)
    parts, top = [], 46
    for words, tensors, new in (("before", before, {}), ("after", after, masks)):
        left = 86
        parts.append(f'<text x="8" y="{top + 30}">{words}</text>')
        for name, use in NAMES.items():
            rows = tensors[name].unsqueeze(1) if tensors[name].ndim == 1 else tensors[name]
            marked = new[name].reshape(rows.shape) if name in new else rows.new_zeros(rows.shape).bool()
            parts += _grid(rows, marked, left, top, largest)
            shape = " x ".join(map(str, tensors[name].shape))
            middle = left + CELL * rows.shape[1] / 2
            parts.append(f'<text class="middle" x="{middle:g}" y="{top - 24}">{name}</text>')
            parts.append(f'<text class="soft middle" x="{middle:g}" y="{top - 8}">{shape}, {use}</text>')
            left += CELL * 6 + 46 if name != "0.bias" else 120
        top += CELL * (4 if tensors is before else 6) + 66
    title = "A site before and after it grows by two units"
    about = (
        "The weights of two linear layers as grids. Afterwards the first has two more rows and its bias two more "
        "entries, the second two more columns, which are zero: the outputs stay as they were."
    )
    return _svg(title, about, WIDTH, top - 56, parts)


def _grid(rows: Tensor, new: Tensor, left: float, top: float, largest: float) -> list[str]:
    """A square for each weight; one that is 0 is empty."""
    cells = []
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            shade = (abs(float(rows[row, column])) / largest) ** 0.7
            kind = "new" if bool(new[row, column]) else "old"
            stroke = ' style="stroke:var(--new);stroke-width:1.6"' if kind == "new" else ""
            place = f'x="{left + CELL * column:g}" y="{top + CELL * row:g}" width="{CELL - 2}" height="{CELL - 2}"'
            cells.append(f'<rect class="cell {kind}" {place} fill-opacity="{shade:.2f}"{stroke}/>')
    return cells


def policy_svg(losses: Sequence[float], events: Sequence[growsearch.GrowthEvent], start: Mapping[str, int]) -> str:
    """Return a training as a policy sees it: the loss, the moments of growth, and below them what each layer is."""
    left, right, top, height = 70, WIDTH - 20, 40, 150
    highest, steps = max(losses), len(losses)

    def x(step: float) -> float:
        return left + (right - left) * step / steps

    points = " ".join(
        f"{x(step + 1):.0f},{top + height * (1 - loss / highest):.0f}" for step, loss in enumerate(losses)
    )
    parts = [
        f'<text x="8" y="20">when: {len(events)} moments of a training</text>',
        f'<path class="axis" d="M{left} {top}v{height}h{right - left}"/>',
        f'<text class="soft end" x="{left - 6}" y="{top + 10}">loss</text>',
        f'<text class="soft end" x="{right}" y="{top + height + 18}">step {steps}</text>',
        f'<polyline class="line" points="{points}"/>',
    ]
    base, unit = top + height + 56, 5.6
    parts.append(f'<text x="8" y="{base - 18}">where and how: units that the layers have, new ones in green</text>')
    widths = dict(start)
    for event in events:
        parts.append(f'<path class="event" d="M{x(event.step):.0f} {top}v{height + 8}"/>')
        for row, site in enumerate(widths):
            y, added = base + 30 * row, event.sites.get(site, 0)
            for place in range(event.widths[site]):
                kind = "new" if place >= event.widths[site] - added else "old"
                corner = x(event.step) + unit * (place - event.widths[site] / 2)
                parts.append(f'<rect class="{kind}" x="{corner:.1f}" y="{y - 5}" width="{unit - 1.5}" height="14"/>')
    parts += [
        f'<text class="soft" x="8" y="{base + 30 * row + 6}">layer {site}</text>' for row, site in enumerate(start)
    ]
    how = f"each new unit as {events[0].how} makes it, without changing the outputs"
    parts.append(f'<text class="soft" x="8" y="{base + 30 * len(start) + 22}">{how}</text>')
    title = "When, where and how"
    about = (
        f"The loss of a training falls over {steps} steps and does not jump at {len(events)} moments, at which one "
        "layer or the other gains units."
    )
    return _svg(title, about, WIDTH, base + 30 * len(start) + 40, parts)


STEPS = (
    ("The strategies propose and choose units.", "box"),
    ("The outputs are computed, in train and in eval mode.", "box"),
    ("Model, optimizer state and companions change together.", "box"),
    ("The network is traced and run again: the same outputs?", "box"),
)


def transaction_svg() -> str:
    """Return the way of a growth event, which ends in all of it or in nothing."""
    parts, y, left, wide = [], 16, 40, WIDTH - 80
    for words, kind in STEPS:
        parts.append(f'<rect class="{kind}" x="{left}" y="{y}" width="{wide}" height="40"/>')
        parts.append(f'<text class="middle" x="{WIDTH / 2:g}" y="{y + 26}">{escape(words)}</text>')
        y += 64
        parts.append(f'<path class="axis" d="M{WIDTH / 2:g} {y - 24}v24"/>')
    parts.pop()  # from the last box two ways go on
    half = (wide - 24) / 2
    for place, (answer, words, more, kind) in enumerate(
        (
            ("yes", "It is final.", "The event is in the log.", "good"),
            ("no, or an error", "All is taken back.", "Training goes on as it was.", "bad"),
        )
    ):
        x = left + place * (half + 24)
        middle = x + half / 2
        parts.append(f'<path class="{kind}" fill="none" d="M{middle:g} {y - 24}v36"/>')
        parts.append(f'<text class="soft" x="{middle + 8:g}" y="{y}">{answer}</text>')
        parts.append(f'<rect class="box {kind}" x="{x:g}" y="{y + 12}" width="{half:g}" height="58"/>')
        parts.append(f'<text class="middle" x="{middle:g}" y="{y + 36}">{words}</text>')
        parts.append(f'<text class="soft middle" x="{middle:g}" y="{y + 57}">{more}</text>')
    title = "A growth event is a transaction"
    about = "Units are chosen, outputs computed, all changes made, outputs compared: the event is final, or taken back."
    return _svg(title, about, WIDTH, y + 86, parts)


def _svg(title: str, about: str, width: int, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        f'role="img" aria-labelledby="t d"><title id="t">{escape(title)}</title><desc id="d">{escape(about)}</desc>'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])

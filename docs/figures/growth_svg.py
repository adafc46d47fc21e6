"""The film of a growth as one SVG: CSS animates it, and a reader who wants no motion sees how it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from growsearch.drawing.boxes import call_boxes
from growsearch.drawing.canvas import Canvas, Sizes
from growsearch.drawing.layout import layered

if TYPE_CHECKING:
    from docs.figures.growth import Film

HOLD = 0.82  # the share of a round after which the picture rests
WIDTH, HEIGHT, FOOT = 880, 380, 46
UNIT, GAP = 8, 26  # radius of a unit, and from one to the next
CHART = (580, 60, 270, 230)  # left, top, width, height
STYLE = """
svg { --ink: #1f2328; --soft: #59636e; --line: #8c959f; --unit: #d3f2d9; --new: #2da44e; --weight: #3b5b8c; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9198a1; --line: #7d8590; --unit: #173d24; --new: #3fb950; --weight: #9cc2ff; }
}
text { font: 13px ui-sans-serif, system-ui, sans-serif; fill: var(--ink); }
.soft { fill: var(--soft); font-size: 12px; } .middle { text-anchor: middle; }
.w { stroke: var(--weight); stroke-width: 1.6; }
.u { fill: var(--unit); stroke: var(--line); stroke-width: 1.2; }
.w, .u, .moves { animation: 16s linear infinite; }
.axis { stroke: var(--line); } .loss { fill: none; stroke: var(--weight); stroke-width: 2; }
.event { stroke: var(--new); stroke-dasharray: 3 3; }
"""


def draw(film: Film) -> str:
    """Return the SVG: units and weights on the left, the loss on the right, what happened below."""
    return _Drawing(film).text()


class _Drawing:
    """The parts of the picture and, beside them, the key frames that move them."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.rules: list[str] = []
        self.last = film.moments[-1].step
        self.events = [(moment.step, moment.event) for moment in film.moments if moment.event is not None]
        boxes = {name: box for name, box in call_boxes(film.graph).items() if box.calls[0].kind != "output"}
        self.sources = {name: box.sources for name, box in boxes.items()}
        # The layout runs from top to bottom; here its rows are columns.
        self.canvas = Canvas(layered(self.sources), Sizes(HEIGHT - FOOT, 0, 0, 150, 50))
        self.widths = {name: self._width(name) for name in boxes}

    def text(self) -> str:
        """The whole file."""
        parts = [*self._weights(), *self._units(), *self._chart(), *self._captions()]
        first, final = self.events[0][1], self.events[-1][1]
        title = "A network grows while it learns"
        about = (
            f"A network of {first.parameters_before} parameters learns to tell two spirals apart. At "
            f"{len(self.events)} moments both of its hidden layers gain units; the loss goes on from where it was, "
            f"falls further, and ends at {self.film.losses[-1]:.3f} with {final.parameters_after} parameters."
        )
        still = "@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-labelledby="t d"><title id="t">{title}</title><desc id="d">{escape(about)}</desc>'
        )
        return "\n".join([head, f"<style>{STYLE}{''.join(self.rules)}{still}</style>", *parts, "</svg>", ""])

    def _width(self, name: str) -> int:
        call = self.film.graph.calls[name]
        return int(call.shape[-1]) if call.shape else 1

    def _place(self, name: str, unit: int) -> tuple[float, float]:
        """Where a unit is: those at the start in the middle, later ones further out, above and below in turn."""
        x = self.canvas.corner(name)[1]
        side = (unit + 1) // 2 * (1 if unit % 2 else -1)
        middle = (HEIGHT - FOOT) / 2 + (GAP / 2 if self.widths[name] % 2 == 0 else 0)
        return x, middle - side * GAP

    def _birth(self, name: str, unit: int) -> int:
        """The step at which a unit came; 0 for those of the seed."""
        for step, event in self.events:
            if name in event.widths and event.widths[name] - event.sites[name] <= unit < event.widths[name]:
                return step
        return 0

    def _at(self, step: float) -> float:
        """The moment of a step in percent of a round."""
        return 100 * HOLD * step / self.last

    def _animate(self, name: str, frames: Sequence[tuple[float, str]]) -> None:
        """Animate one element by key frames (percent, declarations); without them it is as it ends."""
        keys = "".join(f"{at:.4g}%{{{what}}}" for at, what in frames)
        self.rules.append(f"#{name}{{animation-name:{name}}}@keyframes {name}{{{keys}}}\n")

    def _weights(self) -> list[str]:
        """A line for each weight, as dark as the weight is large: the root of its share of the largest in the layer."""
        lines = []
        for name, sources in self.sources.items():
            for source in sources:
                largest = max(max(row) for row in self.film.moments[-1].weights[name])
                for out in range(self.widths[name]):
                    for into in range(self.widths[source]):
                        lines.append(self._weight(source, name, into, out, largest))
        return lines

    def _weight(self, source: str, name: str, into: int, out: int, largest: float) -> str:
        (x0, y0), (x1, y1) = self._place(source, into), self._place(name, out)
        shades: list[tuple[float, float]] = []
        for moment in self.film.moments:
            rows = moment.weights[name]
            there = out < len(rows) and into < len(rows[out])
            shade = math.sqrt(min(1.0, rows[out][into] / largest)) if there else 0.0
            shades.append((self._at(moment.step) + (0.3 if moment.event else 0), round(shade, 2)))
        last = shades[-1][1]
        key = f"w{name}-{out}-{into}"
        kept = [
            (at, shade)
            for number, (at, shade) in enumerate(shades)
            if number in (0, len(shades) - 1) or not shades[number - 1][1] == shade == shades[number + 1][1]
        ]
        self._animate(key, [(at, f"opacity:{shade:g}") for at, shade in [*kept, (100, last)]])
        return f'<path id="{key}" class="w" opacity="{last:g}" d="M{x0:g} {y0:g}L{x1:g} {y1:g}"/>'

    def _units(self) -> list[str]:
        """A circle for each unit, and what its column is."""
        circles = []
        titles = {"input": "input", **{name: f"layer {name}" for name in self.film.graph.sites}}
        for name, width in self.widths.items():
            for unit in range(width):
                x, y = self._place(name, unit)
                key = f"u{name}-{unit}"
                circles.append(f'<circle id="{key}" class="u" cx="{x:g}" cy="{y:g}" r="{UNIT}"/>')
                if born := self._birth(name, unit):
                    at = self._at(born)
                    new, old = f"opacity:1;r:{UNIT}px;fill:var(--new)", f"opacity:1;r:{UNIT}px;fill:var(--unit)"
                    gone = "opacity:0;r:0px;fill:var(--new)"
                    self._animate(key, [(0, gone), (at, gone), (at + 2, new), (at + 7, old), (100, old)])
            circles.append(
                f'<text class="soft middle" x="{self._place(name, 0)[0]:g}" y="{HEIGHT - FOOT + 4}">'
                f"{titles.get(name, 'output')}</text>"
            )
        return circles

    def _chart(self) -> list[str]:
        """The loss over the steps, uncovered as they pass, with a line at each event."""
        left, top, width, height = CHART
        losses, highest = self.film.losses, max(self.film.losses)
        every = max(1, len(losses) // 135)
        shown = sorted({*range(0, len(losses), every), len(losses) - 1})
        points = " ".join(
            f"{left + width * (step + 1) / self.last:.0f},{top + height * (1 - losses[step] / highest):.0f}"
            for step in shown
        )
        marks = [
            f'<path class="event" d="M{left + width * step / self.last:.0f} {top}v{height}"/>'
            for step, _ in self.events
        ]
        self._animate(
            "shown", [(0, "transform:scaleX(0)"), (100 * HOLD, "transform:scaleX(1)"), (100, "transform:scaleX(1)")]
        )
        return [
            f'<text x="{left}" y="{top - 16}">training loss</text>',
            f'<text class="soft" x="{left - 6}" y="{top + 5}" text-anchor="end">{highest:.1f}</text>',
            f'<text class="soft" x="{left - 6}" y="{top + height + 4}" text-anchor="end">0</text>',
            f'<text class="soft" x="{left + width}" y="{top + height + 18}" text-anchor="end">step {self.last}</text>',
            f'<path class="axis" fill="none" d="M{left} {top}v{height}h{width}"/>',
            f'<clipPath id="c"><rect id="shown" class="moves" x="{left}" y="0" width="{width + 4}" height="{HEIGHT}" '
            f'style="transform-origin:{left}px 0"/></clipPath>',
            f'<g clip-path="url(#c)">{"".join(marks)}<polyline class="loss" points="{points}"/></g>',
        ]

    def _captions(self) -> list[str]:
        """What happened last, from the record of the event; the last one stays where nothing moves."""
        first = self.events[0][1]
        told = [(0.0, f"{first.parameters_before} parameters")]
        for step, event in self.events:
            added = " and ".join(f"{count} units in layer {site}" for site, count in event.sites.items())
            change = abs((event.loss_after or 0.0) - (event.loss_before or 0.0))
            stays = "stays as it is" if change < 1e-6 else f"changes by {change:.0e}"
            told.append(
                (
                    self._at(step),
                    f"Step {step}: {added} ({event.how}), {event.parameters_before} → "
                    f"{event.parameters_after} parameters; "
                    f"the loss {stays}.",
                )
            )
        lines = []
        for number, (at, words) in enumerate(told):
            until = told[number + 1][0] if number + 1 < len(told) else 100
            frames = [(0.0, 0), (at, 0), (at + 0.01, 1)] if at else [(0.0, 1)]
            frames += [(until - 0.01, 1), (until, 0), (100, 0)] if until < 100 else [(100, 1)]
            self._animate(f"s{number}", [(moment, f"opacity:{shade}") for moment, shade in frames])
            lines.append(
                f'<text id="s{number}" class="middle moves" x="{WIDTH / 2:g}" y="{HEIGHT - 12}" '
                f'opacity="{int(number + 1 == len(told))}">{escape(words)}</text>'
            )
        return lines

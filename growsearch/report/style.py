"""How a policy is drawn: never told by colour alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass

_HUES = 7  # --c0 to --c6 of style.css: told apart by readers with any kind of colour vision
_DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "12 4"}
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_SHAPES = {
    "circle": '<circle cx="17" cy="7" r="4"/>',
    "square": '<path d="M13.5 3.5h7v7h-7z"/>',
    "diamond": '<path d="M17 2l5 5-5 5-5-5z"/>',
    "triangle-up": '<path d="M17 2.5l4.5 8h-9z"/>',
    "cross": '<path d="M15.5 2.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z"/>',
    "x": '<path d="M13.4 3.4l7.2 7.2m0-7.2l-7.2 7.2" stroke="currentColor" stroke-width="2.2"/>',
}


@dataclass(frozen=True)
class Style:
    """Colour (a number of the palette), dashes and marker, in Plotly's words."""

    hue: int
    dash: str
    symbol: str

    def plain(self) -> dict[str, object]:
        """For the page's script."""
        return asdict(self)

    def swatch(self) -> str:
        """A piece of the policy's line with its marker, for tables and legends."""
        dashes = _DASHES[self.dash]
        pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
        return (
            f'<svg class="swatch" viewBox="0 0 34 14" aria-hidden="true" style="color:var(--c{self.hue})">'
            f'<path class="line" d="M0 7h34"{pattern}/>{_SHAPES[self.symbol]}</svg>'
        )


def style_of(rank: int) -> Style:
    """The style of the policy at a place of the table: 210 of them before one comes again."""
    return Style(rank % _HUES, tuple(_DASHES)[rank % len(_DASHES)], _SYMBOLS[rank % len(_SYMBOLS)])

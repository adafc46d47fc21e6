"""From the cells of a layout to pixels."""

from __future__ import annotations

from dataclasses import dataclass

from growsearch.drawing.layout import Edge, Layout


@dataclass(frozen=True)
class Sizes:
    """Pixels of a skin: its boxes, the gaps between them, the margin around, and the head above the first row."""

    width: int
    height: int
    gap_x: int
    gap_y: int
    margin: int
    head: int = 0
    least_width: int = 0


@dataclass(frozen=True)
class Canvas:
    """A layout in pixels."""

    layout: Layout
    sizes: Sizes

    @property
    def width(self) -> int:
        """Of the whole drawing; at its sides is as much room for an edge as between boxes."""
        sizes = self.sizes
        boxes = self.layout.columns * (sizes.width + sizes.gap_x) + sizes.gap_x
        return max(boxes + 2 * sizes.margin, sizes.least_width)

    @property
    def height(self) -> int:
        """Of the whole drawing."""
        sizes = self.sizes
        return 2 * sizes.margin + sizes.head + self.layout.rows * (sizes.height + sizes.gap_y) - sizes.gap_y

    def corner(self, name: str) -> tuple[float, float]:
        """Return x and y of a box's upper left corner."""
        cell = self.layout.cells[name]
        return self._x(cell.column) - self.sizes.width / 2, self._y(cell.row)

    def paths(self) -> list[str]:
        """Return the edges as SVG: from the bottom of a box to the top of another, down its lane past other rows."""
        return [f'<path d="{self._path(edge)}"/>' for edge in self.layout.edges]

    def _path(self, edge: Edge) -> str:
        start, end = self.layout.cells[edge.source], self.layout.cells[edge.target]
        x0, y0 = self._x(start.column), self._y(start.row) + self.sizes.height
        x1, y1 = self._x(end.column), self._y(end.row)
        gap = self.sizes.gap_y
        if edge.lane is None:
            return f"M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + gap / 2:.0f} {x1:.0f} {y1 - gap / 2:.0f} {x1:.0f} {y1:.0f}"
        lane, bend = self._x(edge.lane), 0.7 * gap
        return (
            f"M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + bend:.0f} {lane:.0f} {y0:.0f} {lane:.0f} {y0 + gap:.0f}"
            f"V{y1 - gap:.0f}C{lane:.0f} {y1:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
        )

    def _x(self, column: float) -> float:
        return self.width / 2 + column * (self.sizes.width + self.sizes.gap_x)

    def _y(self, row: int) -> float:
        return self.sizes.margin + self.sizes.head + row * (self.sizes.height + self.sizes.gap_y)


def shortened(text: str, letters: int) -> str:
    """Return the end of a text that is too long."""
    return text if len(text) <= letters else f"…{text[1 - letters :]}"

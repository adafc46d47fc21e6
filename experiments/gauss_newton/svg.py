"""Two small figures as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import asinh, ceil, floor, log10
from pathlib import Path

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#7f7f7f", "#ff7f0e"]
PANEL, MARGIN = 320, 60


def scatter(path: Path, panels: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> None:
    """One panel for each series, both axes alike (asinh: linear near 0, logarithmic beyond), with the diagonal."""
    parts = []
    for number, (title, points) in enumerate(panels.items()):
        left = number * (PANEL + MARGIN) + MARGIN
        sizes = sorted(abs(v) for point in points for v in point if v)
        unit = sizes[len(sizes) // 10]

        def problem(value: float, unit: float = unit) -> float:
            return asinh(value / unit)

        low = min(problem(v) for point in points for v in point)
        high = max(problem(v) for point in points for v in point)
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)

        def at(value: float, low: float = low, high: float = high) -> float:
            return PANEL * (value - low) / (high - low)

        parts.append(f'<g transform="translate({left},30)"><text x="{PANEL / 2}" y="-10">{title}</text>')
        parts.append(f'<rect width="{PANEL}" height="{PANEL}" fill="none" stroke="#888"/>')
        parts.append(f'<line x1="0" y1="{PANEL}" x2="{PANEL}" y2="0" stroke="#bbb"/>')
        for tick in _ticks(unit, low, high, problem):
            along = at(problem(tick))
            label = f"{tick:.0e}".replace("e-0", "e-") if tick else "0"
            parts.append(f'<text x="{along:.1f}" y="{PANEL + 14}" font-size="9">{label}</text>')
            parts.append(f'<text x="-4" y="{PANEL - along + 3:.1f}" font-size="9" text-anchor="end">{label}</text>')
        for x, y in points:
            spot = f'cx="{at(problem(x)):.1f}" cy="{PANEL - at(problem(y)):.1f}"'
            parts.append(f'<circle {spot} r="3" fill="{COLOURS[number]}" fill-opacity="0.6"/>')
        parts.append(f'<text x="{PANEL / 2}" y="{PANEL + 32}">{x_label}</text>')
        parts.append(f'<text transform="translate(-44,{PANEL / 2}) rotate(-90)">{y_label}</text></g>')
    _write(path, parts, len(panels) * (PANEL + MARGIN) + 20, PANEL + 80)


def lines(path: Path, series: Mapping[str, Sequence[float]], names: Sequence[str], y_label: str) -> None:
    """One line a series over named problems, logarithmic."""
    width, height, left = 640, 300, 70
    values = [v for row in series.values() for v in row if v > 0]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))

    def at(value: float) -> float:
        return height * (1 - (log10(max(value, 10.0**low)) - low) / (high - low))

    parts = [f'<g transform="translate({left},20)"><rect width="{width}" height="{height}" fill="none" stroke="#888"/>']
    for power in range(low, high + 1):
        y = at(10.0**power)
        parts.append(f'<line x1="0" x2="{width}" y1="{y}" y2="{y}" stroke="#eee"/>')
        parts.append(f'<text x="-6" y="{y + 3}" font-size="9" text-anchor="end">1e{power}</text>')
    step = width / len(names)
    for index, name in enumerate(names):
        parts.append(f'<text x="{(index + 0.5) * step}" y="{height + 14}" font-size="9">{name}</text>')
    for number, (label, row) in enumerate(series.items()):
        colour = COLOURS[number]
        points = " ".join(f"{(i + 0.5) * step:.1f},{at(v):.1f}" for i, v in enumerate(row))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = 16 + 15 * number
        parts.append(f'<text x="{width + 12}" y="{y}" fill="{colour}" text-anchor="start">{label}</text>')
    parts.append(f'<text transform="translate(-50,{height / 2}) rotate(-90)">{y_label}</text></g>')
    _write(path, parts, left + width + 180, height + 60)


def _ticks(unit: float, low: float, high: float, problem: object) -> list[float]:
    powers = [10.0**p for p in range(floor(log10(unit)) + 1, 2)]
    found = [0.0, *powers, *(-p for p in powers)]
    return [t for t in found if low <= asinh(t / unit) <= high]


def _write(path: Path, parts: Sequence[str], width: int, height: int) -> None:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    head += 'font-family="sans-serif" font-size="11" text-anchor="middle">'
    path.write_text("\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n")

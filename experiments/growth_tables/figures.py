"""Small pictures of the results: bars with intervals, and regret over FLOPs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2", "12 3")
_WIDE, _ROW = 640, 20


def bars(groups: Mapping[str, Mapping[str, Any]], title: str) -> str:
    """Shares of the variance by group: total as a bar with its interval, the share alone as the darker part."""
    left, right, top = 170, 60, 30
    across = _WIDE - left - right
    height = top + _ROW * len(groups) + 30
    order = sorted(groups, key=lambda group: -groups[group]["total"]["value"])

    def x(share: float) -> float:
        return left + across * min(1.0, max(0.0, share))

    parts = [f'<text x="{left}" y="16">{title}</text>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_line(x(tick), top, x(tick), height - 26, "#ddd"))
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle">{tick:.0%}</text>')
    for place, group in enumerate(order):
        y, found = top + _ROW * place, groups[group]
        total, alone = found["total"], found["alone"]
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{group}</text>')
        parts.append(_box(left, y + 3, x(total["value"]) - left, 13, "#9ecae1"))
        parts.append(_box(left, y + 3, x(alone["value"]) - left, 13, "#0072b2"))
        parts.append(_line(x(total["low"]), y + 9.5, x(total["high"]), y + 9.5, "#222"))
    return _svg(height, parts)


def curves(arms: Mapping[str, Mapping[str, Sequence[float | None]]], scale: float, unit: str) -> str:
    """Mean regret over FLOPs with its interval, both axes logarithmic; `scale` turns regret into `unit`."""
    left, right, top, bottom, height = 56, 220, 12, 36, 320
    across, inner = _WIDE - left - right, height - top - bottom
    shown = [scale * v for arm in arms.values() for part in ("low", "high") for v in arm[part] if v and v > 0]
    low, high = math.log(max(min(shown), 1e-9)), math.log(max(shown))
    first = max(min(f for f, v in zip(arm["flops"], arm["mean"], strict=True) if f and v) for arm in arms.values())
    used = [f for f in next(iter(arms.values()))["flops"] if f is not None]
    start, end = math.log(min(first, used[0]) or 1), math.log(used[-1])

    def at(flops: float, regret: float) -> str:
        up = (math.log(max(scale * regret, 1e-9)) - low) / (high - low)
        return f"{left + across * (math.log(flops) - start) / (end - start):.1f},{height - bottom - inner * up:.1f}"

    parts = []
    for tick in (3, 6, 12, 24, 48, 96):
        if start <= math.log(tick) <= end + 1e-9:
            x = at(tick, math.exp(low) / scale).split(",")[0]
            parts.append(_line(float(x), top, float(x), height - bottom, "#ddd"))
            parts.append(f'<text x="{x}" y="{height - 18}" text-anchor="middle">{tick}</text>')
    for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        if low <= math.log(tick) <= high:
            y = at(used[-1], tick / scale).split(",")[1]
            parts.append(_line(left, float(y), left + across, float(y), "#ddd"))
            parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for place, (name, arm) in enumerate(arms.items()):
        rows = [
            row for row in zip(arm["flops"], arm["mean"], arm["low"], arm["high"], strict=True) if row[1] is not None
        ]
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        band = [at(f, h) for f, _, _, h in rows] + [at(f, max(below, 1e-6)) for f, _, below, _ in reversed(rows)]
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.15"/>')
        line = " ".join(at(f, m) for f, m, _, _ in rows)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"/>'
        )
        y = top + 14 + 18 * place
        parts.append(
            f'<line x1="{left + across + 10}" x2="{left + across + 34}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
            f'stroke-width="1.8" stroke-dasharray="{dash}"/>'
        )
        parts.append(f'<text x="{left + across + 38}" y="{y}">{name}</text>')
    parts.append(f'<text x="{left + across / 2:.0f}" y="{height - 4}" text-anchor="middle">FLOPs, in whole runs</text>')
    parts.append(f'<text x="6" y="{top + 4}">{unit}</text>')
    return _svg(height, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {height:g}" font-family="sans-serif" '
        'font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height}" fill="{colour}"/>'

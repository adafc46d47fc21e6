"""The figures from results.json: the ends of every arm and seed (ends.svg), and loss over budgets (anytime.svg).

uv run python experiments/growth_pays/figure.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

HERE = Path(__file__).parent
ARMS = {
    "fixed_2": "2 blocks, fixed",
    "fixed_4": "4 blocks, fixed",
    "identity_50": "2 to 4 blocks at 50 %",
}
FIXED, GROWN = "#777", "#0072b2"
WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 640, 30, 170, 20, 14, 40
LOW, HIGH, STEP = 1.78, 1.88, 0.02  # nats per character
CURVES = {
    "fixed_1": ("1 block", "#bbb"),
    "fixed_2": ("2 blocks", "#888"),
    "fixed_4": ("4 blocks", "#555"),
    "fixed_8": ("8 blocks", "#222"),
    "grown": ("one growing run, 1 to 4", GROWN),
}
HEIGHT, FOOT, SIDE, BOTTOM_LOSS, TOP_LOSS = 330, 285, 60, 1.8, 2.3


def main() -> None:
    results = json.loads((HERE / "results.json").read_text())
    policies = results["confirm"]["policies"]
    (HERE / "ends.svg").write_text(draw({name: policies[name]["test_loss"] for name in ARMS}))
    runs = results["anytime_octaves"]["runs"]
    means = {name: [(float(budget), fmean(one["test"])) for budget, one in runs[name].items()] for name in CURVES}
    (HERE / "anytime.svg").write_text(draw_curves(means))


def draw(losses: dict[str, list[float]]) -> str:
    """A row for every arm: a dot a seed, and a bar at their mean."""
    height = TOP + ROW * len(losses) + BOTTOM

    def at(loss: float) -> float:
        return round(LEFT + (loss - LOW) / (HIGH - LOW) * (WIDTH - LEFT - RIGHT), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for tick in range(round((HIGH - LOW) / STEP) + 1):
        x, foot = at(LOW + tick * STEP), height - BOTTOM
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{foot}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{foot + 15}" text-anchor="middle">{LOW + tick * STEP:.2f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">test loss, nats per character</text>')
    for place, (name, values) in enumerate(losses.items()):
        y, colour = TOP + ROW * place + ROW // 2, FIXED if name.startswith("fixed") else GROWN
        mean = at(fmean(values))
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end" fill="{colour}">{ARMS[name]}</text>')
        parts += [f'<circle cx="{at(value)}" cy="{y}" r="3.5" fill="{colour}" opacity="0.5"/>' for value in values]
        parts.append(f'<line x1="{mean}" x2="{mean}" y1="{y - 10}" y2="{y + 10}" stroke="{colour}" stroke-width="3"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_curves(means: dict[str, list[tuple[float, float]]]) -> str:
    """The mean test loss of every arm over the FLOPs of its run, on a logarithmic axis; what lies above it is cut."""
    budgets = [budget for budget, _ in means["grown"]]
    span = math.log(budgets[-1] / budgets[0])

    def across(budget: float) -> float:
        return round(SIDE + math.log(budget / budgets[0]) / span * (WIDTH - SIDE - 190), 1)

    def down(loss: float) -> float:
        return round(FOOT - (loss - BOTTOM_LOSS) / (TOP_LOSS - BOTTOM_LOSS) * (FOOT - TOP), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<clipPath id="inside"><rect x="0" y="{TOP}" width="{WIDTH}" height="{FOOT - TOP}"/></clipPath>',
    ]
    for tick in range(6):
        loss = BOTTOM_LOSS + tick * (TOP_LOSS - BOTTOM_LOSS) / 5
        y = down(loss)
        parts.append(f'<line x1="{SIDE}" x2="{across(budgets[-1])}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{SIDE - 8}" y="{y + 4}" text-anchor="end">{loss:.1f}</text>')
    for budget in budgets:
        parts.append(f'<text x="{across(budget)}" y="{FOOT + 16}" text-anchor="middle">{budget / 1e12:g}</text>')
    middle = (SIDE + across(budgets[-1])) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">training FLOPs of a run, 1e12</text>')
    parts.append(f'<text x="{SIDE}" y="{TOP - 2}">test loss, nats per character</text>')
    labels = spaced([down(curve[-1][1]) for curve in means.values()])
    for (name, curve), label in zip(means.items(), labels, strict=True):
        text, colour = CURVES[name]
        width = 3 if name == "grown" else 1.5
        points = " ".join(f"{across(budget)},{down(loss)}" for budget, loss in curve)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
            'clip-path="url(#inside)"/>'
        )
        parts += [
            f'<circle cx="{across(budget)}" cy="{down(loss)}" r="{width}" fill="{colour}" clip-path="url(#inside)"/>'
            for budget, loss in curve
        ]
        end = across(budgets[-1])
        parts.append(f'<text x="{end + 10}" y="{label}" fill="{colour}">{text}, {curve[-1][1]:.3f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def spaced(heights: Sequence[float], least: float = 14) -> list[float]:
    """Heights of labels, in the same order, moved up as far as they would overlap."""
    order = sorted(range(len(heights)), key=lambda each: -heights[each])
    placed = list(heights)
    below = math.inf
    for each in order:
        placed[each] = below = min(heights[each] + 4, below - least)
    return placed


if __name__ == "__main__":
    main()

"""ends.svg from results.json: the test loss of every arm and seed at the end, at equal training FLOPs.

uv run python experiments/growth_pays/figure.py
"""

from __future__ import annotations

import json
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


def main() -> None:
    policies = json.loads((HERE / "results.json").read_text())["confirm"]["policies"]
    (HERE / "ends.svg").write_text(draw({name: policies[name]["test_loss"] for name in ARMS}))


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


if __name__ == "__main__":
    main()

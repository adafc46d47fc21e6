"""The table of README.md and curve.svg from results.json.

uv run python experiments/search_value/figure.py
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

HERE = Path(__file__).parent
SHARES = (0.1, 0.25, 0.5, 1.0)
COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#d55e00", "#cc79a7")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 300, 48, 36, 12, 130
POINTS = 100

Curve = list[list[float]]


def best_at(curve: Curve, used: float) -> float | None:
    """The best score once so many FLOPs were spent; None before the first trial was over."""
    found = [score for spent, score in curve if spent <= used]
    return found[-1] if found else None


def mean_at(curves: list[Curve], used: float) -> tuple[float, float] | None:
    """Mean and standard error over the repeats; None where a repeat has no trial yet."""
    values = [best_at(curve, used) for curve in curves]
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None
    return statistics.mean(present), statistics.stdev(present) / len(present) ** 0.5


def main() -> None:
    record = json.loads((HERE / "results.json").read_text())
    whole = record["flops"]
    arms = {name: [one["curve"] for one in repeats] for name, repeats in record["arms"].items()}
    heads = " | ".join(f"{share:.0%}" for share in SHARES)
    print(f"| search | trials | {heads} of the FLOPs | test accuracy | parameters |")
    print("|---" * (len(SHARES) + 4) + "|")
    for name, curves in arms.items():
        repeats = record["arms"][name]
        cells = [mean_at(curves, share * whole) for share in SHARES]
        shown = " | ".join("" if cell is None else f"{100 * cell[0]:.2f} ± {100 * cell[1]:.2f}" for cell in cells)
        tested = [one["test_mean"] for one in repeats]
        test = f"{100 * statistics.mean(tested):.2f} ± {100 * statistics.stdev(tested) / len(tested) ** 0.5:.2f}"
        trials = statistics.mean(one["trials"] for one in repeats)
        parameters = statistics.mean(one["parameters"] for one in repeats)
        print(f"| {name} | {trials:.0f} | {shown} | {test} | {parameters:,.0f} |")
    (HERE / "curve.svg").write_text(draw(arms, whole))


def draw(arms: dict[str, list[Curve]], whole: float) -> str:
    """Mean of the best validation accuracy so far over training FLOPs."""
    lines = {
        name: [
            (step / POINTS, cell[0])
            for step in range(1, POINTS + 1)
            if (cell := mean_at(curves, whole * step / POINTS)) is not None
        ]
        for name, curves in arms.items()
    }
    low, high = 0.94, max(score for line in lines.values() for _, score in line) + 0.002
    inner, across = HEIGHT - TOP - BOTTOM, WIDTH - LEFT - RIGHT

    def at(share: float, score: float) -> str:
        up = max(0.0, (score - low) / (high - low))
        return f"{LEFT + share * across:.1f},{HEIGHT - BOTTOM - up * inner:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for tick in (0.94, 0.95, 0.96, 0.97, 0.98):
        x, y = at(0, tick).split(",")
        parts.append(f'<line x1="{x}" x2="{LEFT + across}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4}" text-anchor="end">{tick:.2f}</text>')
    for share in (0.0, 0.5, 1.0):
        x = LEFT + share * across
        parts.append(f'<text x="{x}" y="{HEIGHT - 20}" text-anchor="middle">{share * whole:.1g}</text>')
    parts.append(f'<text x="{LEFT + across / 2}" y="{HEIGHT - 5}" text-anchor="middle">training FLOPs</text>')
    for place, (name, line) in enumerate(lines.items()):
        style = f'stroke="{COLOURS[place]}" stroke-dasharray="{DASHES[place]}" stroke-width="2"'
        points = " ".join(at(*point) for point in line)
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
        y = TOP + 20 + 18 * place
        parts.append(f'<line x1="{LEFT + across + 8}" x2="{LEFT + across + 32}" y1="{y}" y2="{y}" {style}/>')
        parts.append(f'<text x="{LEFT + across + 36}" y="{y + 4}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()

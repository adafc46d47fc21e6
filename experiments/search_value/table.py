"""The tables of README.md from what the searches came to.

python -m experiments.search_value.table
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist, fmean, stdev
from typing import Any

from growsearch.statistics import difference_interval, holm, permutation_p_value

HERE = Path(__file__).parent
OURS = "defaults"
GAINS = {"digits": 0.15, "language": 0.016}  # of TPE over random search, by docs/what-matters.md
POWER = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) ** 2  # told at 5 % in four of five such experiments


def main() -> None:
    for path in sorted(HERE.glob("*.json")):
        record = json.loads(path.read_text())
        scale = 1 if path.stem == "language" else 100
        print(f"\n{path.stem}\n\n{table(record['arms'], scale)}")
        if path.stem in GAINS:
            print(f"\n{needed(record['arms'], scale, GAINS[path.stem])}")


def table(arms: dict[str, list[dict[str, Any]]], scale: int) -> str:
    """One row an arm: trials, what was found on the test set, and how the defaults differ, repeat by repeat."""
    digits = 2 if scale == 100 else 3
    found = {arm: [scale * fmean(one["test"]) for one in repeats] for arm, repeats in arms.items()}
    count = min(len(values) for values in found.values())
    others = [arm for arm in arms if arm != OURS]
    gaps = {arm: [a - b for a, b in zip(found[OURS][:count], found[arm][:count], strict=True)] for arm in others}
    adjusted = dict(zip(others, holm([permutation_p_value(gaps[arm]) for arm in others]), strict=True))
    lines = [
        "| search | trials: whole, pruned | test | winners that grow | parameters | defaults minus this | p (Holm) |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, repeats in arms.items():
        values = found[arm][:count]
        test = f"{fmean(values):.{digits}f} ± {stdev(values) / count**0.5:.{digits}f}"
        states = [fmean(one["trials"].get(state, 0) for one in repeats[:count]) for state in ("complete", "pruned")]
        grown = sum("never" not in one["growth"]["when"] for one in repeats[:count])  # a name, or a mapping
        parameters = fmean(fmean(one["parameters"]) for one in repeats[:count])
        gap = "|"
        if arm in gaps:
            within = difference_interval(gaps[arm])
            ends = f" ({within[0]:+.{digits}f} to {within[1]:+.{digits}f})" if within else ""
            gap = f"{fmean(gaps[arm]):+.{digits}f}{ends} | {adjusted[arm]:.2f}"
        found_by = f"{states[0]:.0f}, {states[1]:.0f} | {test} | {grown} of {count} | {parameters:,.0f}"
        lines.append(f"| {arm} | {found_by} | {gap} |")
    return "\n".join(lines)


def needed(arms: dict[str, list[dict[str, Any]]], scale: int, gain: float) -> str:
    """How many paired repeats it takes to tell a gain over random search as large as the one on the table's model."""
    pairs = zip(arms[OURS], arms["random"], strict=False)
    spread = stdev(scale * (fmean(ours["test"]) - fmean(other["test"])) for ours, other in pairs)
    repeats = math.ceil(POWER * (spread / gain) ** 2)
    return f"Differences from random vary by {spread:.3g} by repeat: {repeats} repeats tell a gain of {gain:g}."


if __name__ == "__main__":
    main()

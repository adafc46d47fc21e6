"""Read the finished comparison of `anytime.py itself` into results.json, beside that of `anytime.py confirm`.

uv run python -m experiments.growth_pays.itself_table runs/anytime_itself runs/anytime_confirm
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.growth_pays.anytime import BEST, BUDGETS, name
from experiments.growth_pays.anytime_table import GROWN, ends, words
from experiments.growth_pays.summarise import HERE, against
from growsearch.runs.store import read_growth, read_rows


def main() -> None:
    itself, confirm = map(Path, sys.argv[1:3])
    environment = json.loads((itself / "environment.json").read_text())
    found = [compared(itself, confirm, budget, size) for (size, _), budget in zip(BEST, BUDGETS[2:], strict=True)]
    target = HERE / "results.json"
    everything = json.loads(target.read_text())
    kept = {key: environment.get(key) for key in ("git", "packages", "processor", "cores", "device")}
    everything["anytime_itself"] = {**kept, "budgets": found}
    target.write_text(json.dumps(everything) + "\n")
    for one in found:
        first, second = (sorted(at / 1e12 for at in moments) for moments in one["moments"])
        print(
            f"| {one['budget'] / 1e12:g} T | {fmean(one['itself']['test']):.4f} | {words(one['to_fixed'])}, "
            f"{one['to_fixed']['lower']} | {words(one['to_pilot'])} | {first[0]:.2f} to {first[-1]:.2f}, "
            f"{second[0]:.2f} to {second[-1]:.2f} |"
        )


def compared(itself: Path, confirm: Path, budget: float, size: int) -> dict[str, Any]:
    """At a budget, paired by seed: against the best fixed size, and against growth at the moments of a pilot run."""
    own = ends(itself / name(GROWN, budget))
    fixed, pilot = (ends(confirm / name(arm, budget))["test"] for arm in (f"fixed_{size}", GROWN))
    return {
        "budget": budget,
        "itself": own,
        "to_fixed": against(own["test"], fixed),
        "to_pilot": against(own["test"], pilot),
        "moments": moments(itself / name(GROWN, budget)),
    }


def moments(folder: Path) -> tuple[list[int], list[int]]:
    """The training FLOPs at the first and at the second event of every seed that has it, to the row after it."""
    first: list[int] = []
    second: list[int] = []
    for seed in folder.glob("seed-*"):
        rows = read_rows(seed)
        for at, event in zip((first, second), read_growth(seed), strict=False):
            at.append(next(row.training_flops for row in rows if row.step >= event.step))
    return first, second


if __name__ == "__main__":
    main()

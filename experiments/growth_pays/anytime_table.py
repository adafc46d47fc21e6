"""Read the finished comparisons of anytime.py into results.json, and print the tables of the README.

The growing one's folder gives the name in results.json.

uv run python -m experiments.growth_pays.anytime_table runs/anytime_fixed runs/anytime_octaves [runs/anytime_confirm]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.growth_pays.anytime import BEST, BUDGETS, SIZES, name
from experiments.growth_pays.summarise import HERE, against
from growsearch.runs.store import read_growth, read_result, read_rows

GROWN = "grown"
FIRST_FRESH = 6
ARMS = (*(f"fixed_{size}" for size in SIZES), GROWN)


def main() -> None:
    folders = {"fixed": Path(sys.argv[1]), GROWN: Path(sys.argv[2])}
    runs = {arm: {budget: ends(folders[arm.split("_")[0]] / name(arm, budget)) for budget in BUDGETS} for arm in ARMS}
    results = json.loads((folders["fixed"] / "results.json").read_text())
    environments = {key: json.loads((folder / "environment.json").read_text()) for key, folder in folders.items()}
    envelope = [at_budget(runs, budget) for budget in BUDGETS]
    sweeps = [sweep(runs, short, train, total) for short, train, total in SWEEPS]
    record = {
        "git": {key: one["git"] for key, one in environments.items()},
        "environment": {k: environments["fixed"].get(k) for k in ("packages", "processor", "cores", "device")},
        "tuning": results["verdict"]["tuning"],
        "runs": {arm: {f"{budget:.3g}": own for budget, own in by_budget.items()} for arm, by_budget in runs.items()},
        "envelope": envelope,
        "sweeps": sweeps,
        "confirmed": confirmed(Path(sys.argv[3])) if len(sys.argv) > 3 else [],
    }
    target = HERE / "results.json"
    everything = json.loads(target.read_text())
    everything[Path(sys.argv[2]).name] = record
    target.write_text(json.dumps(everything) + "\n")
    for budget, row in zip(BUDGETS, envelope, strict=True):
        means = [f"{fmean(runs[arm][budget]['test']):.4f}" for arm in ARMS]
        print(f"| {budget / 1e12:g} T | {' | '.join(means)} | {row['best']}: {words(row['difference'])} |")
    for arm in ARMS:
        off = [fmean(runs[arm][budget]["test"]) - row["loss"] for budget, row in zip(BUDGETS, envelope, strict=True)]
        print(f"{arm}: at most {max(off):+.4f} off the envelope")
    for one in sweeps:
        print(f"| {one['what']} | {one['sweep']:.4f} | {one['grown']:.4f} | {words(one['difference'])} |")
    for one in record["confirmed"]:
        print(f"| {one['budget'] / 1e12:g} T | {words(one['fresh'])} | {words(one['all'])} |")


# Sweeps over the four sizes: FLOPs of each size, FLOPs of training the chosen one anew (none: its run of the sweep is
# taken), FLOPs in all.
SWEEPS: tuple[tuple[float, float | None, float], ...] = (
    (BUDGETS[0], None, BUDGETS[2]),
    (BUDGETS[1], None, BUDGETS[3]),
    (BUDGETS[2], None, BUDGETS[4]),
    (BUDGETS[0], BUDGETS[2], BUDGETS[3]),
    (BUDGETS[1], BUDGETS[3], BUDGETS[4]),
)


def ends(folder: Path) -> dict[str, Any]:
    """By seed: the loss on validation and test text at the end, and the parameters."""
    seeds = sorted(folder.glob("seed-*"), key=lambda each: int(each.name.split("-")[1]))
    results = [read_result(seed) for seed in seeds]
    return {
        "test": [one.value("test_loss") for one in results],
        "validation": [read_rows(seed)[-1].value("validation_loss") for seed in seeds],
        "parameters": [one.parameters for one in results],
        "flops": [one.training_flops for one in results],
        "events": [len(read_growth(seed)) for seed in seeds],
    }


def at_budget(runs: dict[str, Any], budget: float) -> dict[str, Any]:
    """The fixed size with the lowest mean test loss, and how far the growing run is from it, paired by seed."""
    means = {arm: fmean(own[budget]["test"]) for arm, own in runs.items() if arm != GROWN}
    best = min(means, key=lambda arm: means[arm])
    difference = against(runs[GROWN][budget]["test"], runs[best][budget]["test"])
    return {"budget": budget, "best": best, "loss": means[best], "difference": difference}


def sweep(runs: dict[str, Any], short: float, train: float | None, total: float) -> dict[str, Any]:
    """What a sweep that chooses a size by validation ends at, by seed, against the growing run of as many FLOPs."""
    fixed = [arm for arm in runs if arm != GROWN]
    losses = []
    for seed in range(len(runs[GROWN][total]["test"])):
        chosen = min(fixed, key=lambda arm: runs[arm][short]["validation"][seed])
        losses.append(runs[chosen][train or short]["test"][seed])
    grown = runs[GROWN][total]["test"]
    what = f"{len(fixed)} sizes, {short / 1e12:g} T each" + (f", the best for {train / 1e12:g} T" if train else "")
    return {
        "what": f"{what} ({total / 1e12:g} T)",
        "sweep": fmean(losses),
        "grown": fmean(grown),
        "difference": against(grown, losses),
    }


def confirmed(folder: Path) -> list[dict[str, Any]]:
    """The growing run against the best fixed size of a budget: on the seeds from 6 on, and on all."""
    found = []
    for (size, _), budget in zip(BEST, BUDGETS[2:], strict=True):
        grown, fixed = (ends(folder / name(arm, budget))["test"] for arm in (GROWN, f"fixed_{size}"))
        fresh = against(grown[FIRST_FRESH:], fixed[FIRST_FRESH:])
        one = {"budget": budget, "size": size, "grown": grown, "fixed": fixed, "fresh": fresh}
        found.append({**one, "all": against(grown, fixed)})
    return found


def words(one: dict[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['mean']:+.4f} [{low:+.4f}, {high:+.4f}], p {one['p']:.3f}"


if __name__ == "__main__":
    main()

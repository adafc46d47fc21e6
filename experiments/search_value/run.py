"""What is a search worth? Five ways to spend the same training FLOPs on digits, five repeats; resumes where it was.

uv run python experiments/search_value/run.py [--out FOLDER] [--workers N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GROWSEARCH = str(Path(sys.executable).with_name("growsearch"))
FLOPS = 2e11  # training FLOPs of a search, all seeds of all trials together
REPEATS = 5
TRIALS = 40  # asked for at a time, until the FLOPs are spent
PRUNED_TRIALS = 100  # the same where most trials end early
SEEDS = 2  # of a trial
CONFIRMED = 6  # seeds of the chosen trial, on the test set
POLICIES = "digits_policies"
BY_ACCURACY = ["search.objectives=[{maximize: validation_accuracy}]", "search.pruner=none", "search.race=none"]
BY_ACCURACY += ["search.baselines=false"]
ARMS: dict[str, tuple[str, list[str]]] = {
    "tpe": (POLICIES, []),
    "tpe, asha": (POLICIES, ["search.pruner=asha"]),
    "random": (POLICIES, ["search.sampler=random"]),
    "fixed width": (str(HERE / "fixed_width.yaml"), []),
    "fixed channels": (str(HERE / "fixed_channels.yaml"), []),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/search_value"))
    parser.add_argument("--workers", default="2")
    options = parser.parse_args()
    record: dict[str, Any] = {"command": "uv run python experiments/search_value/run.py", "flops": FLOPS, "arms": {}}
    for repeat in range(REPEATS):
        for arm in ARMS:
            folder = options.out / f"{arm.replace(', ', '_').replace(' ', '_')}-{repeat}"
            search(arm, repeat, folder, options.workers)
            record["arms"].setdefault(arm, []).append(summary(folder, options.workers))
            environment = json.loads((folder / "environment.json").read_text())
            record["git"] = environment["git"]
            record["environment"] = {k: environment.get(k) for k in ("packages", "processor", "cores", "device")}
            (HERE / "results.json").write_text(json.dumps(record, indent=1) + "\n")


def search(arm: str, repeat: int, folder: Path, workers: str) -> None:
    """Ask for more and more trials until the FLOPs are spent."""
    space, overrides = ARMS[arm]
    step = trials = PRUNED_TRIALS if overrides == ["search.pruner=asha"] else TRIALS
    while not folder.exists() or spent(folder)[-1][0] < FLOPS:
        settings = [
            *BY_ACCURACY,
            *overrides,
            f"search.seed={repeat}",
            f"search.seeds={SEEDS}",
            "search.baselines=false",
        ]
        sets = [part for one in settings for part in ("--set", one)]
        command = [GROWSEARCH, "search", space, "--trials", str(trials), "--workers", workers, "--quiet"]
        subprocess.run([*command, *sets, "--out", str(folder)], check=True)
        trials += step


def spent(folder: Path) -> list[tuple[float, float | None, int]]:
    """FLOPs after each trial in the order in which they ended, its score (None: pruned, or too big), its number."""
    trials = json.loads((folder / "results.json").read_text())["trials"]
    used, found = 0.0, []
    for trial in sorted((one for one in trials if one["finished"]), key=lambda one: one["finished"]):
        used += 0 if "duplicate_of" in trial else flops_of(folder / trial["folder"])
        kept = trial["state"] == "complete" and trial["feasible"]
        found.append((used, trial["values"][0] if kept else None, trial["number"]))
    return found


def flops_of(trial: Path) -> float:
    """Training FLOPs of all seeds of a trial, as far as they were trained."""
    rows = [path.read_text().splitlines() for path in trial.glob("seed-*/metrics.jsonl")]
    return sum(json.loads(lines[-1])["training_flops"] for lines in rows if lines)


def summary(folder: Path, workers: str) -> dict[str, Any]:
    """The best score over FLOPs, and the chosen trial on the test set."""
    curve: list[list[float]] = []
    chosen, trials = None, 0
    for used, score, number in spent(folder):
        if used > FLOPS:
            break
        trials += 1
        if score is not None and (not curve or score > curve[-1][1]):
            curve.append([used, score])
            chosen = number
    out = folder / f"confirmed-{chosen}"
    command = [GROWSEARCH, "run", str(folder / "trials" / str(chosen) / "config.yaml"), "--seeds", str(CONFIRMED)]
    if not (out / "results.json").exists():
        subprocess.run([*command, "--workers", workers, "--quiet", "--out", str(out)], check=True)
    runs = [json.loads(path.read_text()) for path in sorted(out.rglob("result.json"))]
    tested = [run["test_accuracy"] for run in runs]
    return {
        "trials": trials,
        "curve": curve,
        "chosen": chosen,
        "test_accuracy": tested,
        "test_mean": statistics.mean(tested),
        "parameters": statistics.mean(run["parameters"] for run in runs),
    }


if __name__ == "__main__":
    main()

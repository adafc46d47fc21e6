"""What is a search worth? Four ways to spend the same FLOPs on a space of growing networks, ten repeats; resumes.

    python -m experiments.search_value.run digits [--out FOLDER]
    python -m experiments.search_value.run language --set 'data.files=[tinyshakespeare.txt]'
    python -m experiments.search_value.run cifar10_jpeg --set data.file=cifar10_jpeg.npz

The spaces are those of the tables of growth. Every search has the FLOPs of 24 runs, race included, one worker and
another sampler seed each repeat; what it chose is trained with seeds of its own, and the test set is read then.
What came out stands in `TASK.json` after every search.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from growsearch import SearchResults, run_search
from growsearch.config import load_space
from growsearch.config.run_config import normalized
from growsearch.execution.environment import describe_environment
from growsearch.runs.events import RunEvent
from growsearch.runs.files import write_json
from growsearch.training import run_one

HERE = Path(__file__).parent
SPACES = HERE.parent / "growth_tables" / "spaces"
RUNS = 24  # of a search, in FLOPs
FLOPS = {"digits": 4.3e9, "cifar10_jpeg": 8.7e10, "language": 4.9e10}  # of a run, by the tables
REPEATS = 10
FIRST_SEED = 5000  # of what was chosen: seen by no trial and no race
SEEDS = {"digits": 6, "cifar10_jpeg": 3, "language": 3}
ARMS: dict[str, list[str]] = {
    "defaults": [],
    "random": ["search.sampler=random"],
    "one run chooses": ["search.race=none"],
    "fixed networks": ["growth.when={never: {}}"],
}
BY_ACCURACY = "search.objectives=[{maximize: validation_accuracy}]"  # what was the default, where there is one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(FLOPS))
    parser.add_argument("--out", type=Path, help="by default runs/search_value/TASK")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="path.in.file=value")
    options = parser.parse_args()
    out = options.out or Path("runs/search_value") / options.task
    environment = asdict(describe_environment("cpu", 1, 1, 1))
    record: dict[str, Any] = {
        "command": f"python -m experiments.search_value.run {options.task}",
        "flops": RUNS * FLOPS[options.task],
        "git": environment["git"],
        "environment": {key: environment[key] for key in ("packages", "processor", "cores", "device")},
        "arms": {arm: [] for arm in ARMS},
    }
    for repeat in range(options.repeats):
        for arm in ARMS:
            found = searched(options.task, arm, repeat, out / f"{arm.replace(' ', '_')}-{repeat}", options.overrides)
            record["arms"][arm].append(found)
            write_json(HERE / f"{options.task}.json", record)
            print(repeat, arm, found["test"], found["parameters"], flush=True)


def searched(task: str, arm: str, repeat: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Run one search, and what it chose."""
    space = load_space(SPACES / f"{task}.yaml", overrides).data
    settings = [*ARMS[arm], f"search.seed={repeat}"]
    if arm == "one run chooses" and task != "language":
        settings.append(BY_ACCURACY)
    budget = {"flops": RUNS * FLOPS[task]}
    found = run_search(space, folder, budget=budget, overrides=settings, device="cpu", workers=1, quiet=True)
    chosen = load_space(folder / "best.yaml").data
    tested = [tested_run(chosen, FIRST_SEED + place) for place in range(SEEDS[task])]
    measure = "test_loss" if task == "language" else "test_accuracy"
    return told(found) | {
        "network": chosen["network"],
        "optimizer": chosen["training"]["optimizer"],
        "growth": chosen["growth"],
        "test": [one[measure] for one in tested],
        "parameters": [one["parameters"] for one in tested],
    }


def told(found: SearchResults) -> dict[str, Any]:
    """What a search says of itself."""
    plain = found.plain()
    states = [trial.state for trial in found.trials]
    return {
        "trials": {state: states.count(state) for state in sorted(set(states))},
        "spent": plain["spent"],
        "race": plain["race"],
        "baseline": next((trial.baseline for trial in found.best_trials()), None),
    }


def tested_run(chosen: Mapping[str, Any], seed: int) -> dict[str, float | int | None]:
    """Train what was chosen, and read the test set."""

    def unwatched(event: RunEvent) -> None:
        del event

    with tempfile.TemporaryDirectory() as folder:
        result = run_one(normalized(chosen), seed, Path(folder), "cpu", unwatched)
    return dict(result.metrics) | {"parameters": result.parameters}


if __name__ == "__main__":
    main()

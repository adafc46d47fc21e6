"""Search how to grow a small GPT: `language_policies` against random search at equal FLOPs, five repeats.

uv run python -m experiments.language_search.run TEXT [--out FOLDER]

Goes on where it was. Trials are asked for until the FLOPs are spent; both arms have the same race at their end, on top,
and what wins it is trained with other seeds and tested once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.growth_pays.summarise import against
from growsearch.runs.store import read_result, read_rows

HERE = Path(__file__).parent
GROWSEARCH = str(Path(sys.executable).with_name("growsearch"))
TRIALS = 60  # unpruned ones that the FLOPs of a search are enough for
FLOPS = 3e10  # of a trial
REPEATS = 5
CONFIRMED = 4  # seeds of what won the race, on the test text
ARMS = {"tpe, asha": [], "random": ["search.sampler=random", "search.pruner=none"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", help="tiny Shakespeare, a text file")
    parser.add_argument("--out", type=Path, default=Path("runs/language_search"))
    options = parser.parse_args()
    arms: dict[str, list[Any]] = {arm: [] for arm in ARMS}
    for repeat in range(REPEATS):
        for arm in ARMS:
            folder = options.out / f"{arm.replace(', ', '_')}-{repeat}"
            search(arm, repeat, folder, options.text)
            arms[arm].append(summary(folder, options.text))
            print(arm, repeat, json.dumps(arms[arm][-1]), flush=True)
    environment = json.loads((folder / "environment.json").read_text())
    tpe, random = ([one["test_mean"] for one in arms[arm]] for arm in ARMS)
    record = {
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device")},
        "arms": arms,
        "difference": against(tpe, random),
    }
    (HERE / "results.json").write_text(json.dumps(record, indent=1) + "\n")


def search(arm: str, repeat: int, folder: Path, text: str) -> None:
    """Ask for more and more trials until the FLOPs are spent, then for the race."""
    own = [*ARMS[arm], f"search.seed={repeat}", "search.baselines=false"]
    settings = ["network.embedding=16", f"training.flops={FLOPS}", f"data.files=[{text}]", *own]
    sets = [part for one in settings for part in ("--set", one)]
    trials = TRIALS
    while True:
        command = [GROWSEARCH, "search", "language_policies", "--trials", str(trials), "--workers", "1", "--quiet"]
        left = TRIALS * FLOPS - (spent(folder) if folder.exists() else 0)
        if left <= 0:
            subprocess.run([*command, *sets, "--out", str(folder)], check=True)
            return
        subprocess.run([*command, *sets, "--set", "search.race=none", "--out", str(folder)], check=True)
        trials += max(1, int(left / FLOPS))


def spent(folder: Path) -> float:
    """Training FLOPs of all trials, as far as they were trained."""
    return sum(rows[-1].training_flops for seed in folder.glob("trials/*/seed-*") if (rows := read_rows(seed)))


def summary(folder: Path, text: str) -> dict[str, Any]:
    """Trials and FLOPs of a search, and the race's winner on the test text."""
    out = folder / "confirmed"
    command = [GROWSEARCH, "run", str(folder / "best.yaml"), "--seeds", str(CONFIRMED), "--workers", "1", "--quiet"]
    if not (out / "results.json").exists():
        subprocess.run([*command, "--out", str(out)], check=True)
    runs = [read_result(path.parent) for path in sorted(out.rglob("result.json"))]
    tested = [run.value("test_loss") for run in runs]
    results = json.loads((folder / "results.json").read_text())
    states = [trial["state"] for trial in results["trials"]]
    return {
        "trials": {state: states.count(state) for state in sorted(set(states))},
        "flops": spent(folder),
        "race": results["race"],
        "best": (folder / "best.yaml").read_text(),
        "test_loss": tested,
        "test_mean": fmean(loss for loss in tested if loss is not None),
        "parameters": fmean(run.parameters for run in runs),
    }


if __name__ == "__main__":
    main()

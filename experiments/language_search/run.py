"""Search how to grow a small GPT: `language_policies` against random search at equal FLOPs, five repeats.

uv run python -m experiments.language_search.run TEXT [--out FOLDER]

Goes on where it was. Both arms have the same budget, and the same race of the best five at their end, a part of it;
what wins it is trained with other seeds and tested once.
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
from growsearch.runs.store import read_result

HERE = Path(__file__).parent
GROWSEARCH = str(Path(sys.executable).with_name("growsearch"))
FLOPS = 1.5e10  # of a trial that is not pruned
RUNS = 80  # as many of them as the FLOPs of a search are enough for: 60 trials, and 20 runs of the race
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
    """A search with its race, of `RUNS` whole runs' FLOPs in all."""
    settings = [
        "network.embedding=16",
        "training.rows=8",
        f"training.flops={FLOPS}",
        f"data.files=[{text}]",
        f"search.budget={{flops: {RUNS * FLOPS}}}",
        f"search.seed={repeat}",
        "search.baselines=false",
        *ARMS[arm],
    ]
    sets = [part for one in settings for part in ("--set", one)]
    command = [GROWSEARCH, "search", "language_policies", "--workers", "1", "--quiet"]
    subprocess.run([*command, *sets, "--out", str(folder)], check=True)


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
        "spent": results["spent"],
        "race": results["race"],
        # Without where this machine keeps things.
        "best": (folder / "best.yaml").read_text().replace(f"{folder}", folder.name).replace(text, Path(text).name),
        "test_loss": tested,
        "test_mean": fmean(loss for loss in tested if loss is not None),
        "parameters": fmean(run.parameters for run in runs),
    }


if __name__ == "__main__":
    main()

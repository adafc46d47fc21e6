"""Search digits_policies, then compare what was found with the search's own baselines on the test set; resumable.

uv run python experiments/search_digits/run.py [--out FOLDER] [--workers N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
GROWSEARCH = str(Path(sys.executable).with_name("growsearch"))
TRIALS = 60
SEEDS = 12  # on the test set; the trials had seeds 0 to 3
SECTIONS = ("network", "training", "growth")
KEPT = ("processor", "cores", "packages", "workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/search_digits"))
    parser.add_argument("--workers", default="2")
    options = parser.parse_args()
    folder = options.out / "search"
    began = time.perf_counter()
    command = [
        GROWSEARCH,
        "search",
        "digits_policies",
        "--trials",
        str(TRIALS),
        "--workers",
        options.workers,
        "--quiet",
    ]
    fresh = not (folder / "results.json").exists()
    subprocess.run([*command, "--quiet", "--out", str(folder)], check=True)
    seconds = time.perf_counter() - began if fresh else None
    found = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    record: dict[str, Any] = {
        "command": "uv run python experiments/search_digits/run.py",
        "git": environment["git"],
        "environment": {key: environment.get(key) for key in KEPT},
        "search": {"seconds": seconds, **validation(found)},
        "test": compare(folder, found, options.out, options.workers),
    }
    (HERE / "results.json").write_text(json.dumps(record, indent=1) + "\n")


def chosen(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The baselines and the best trial, by name."""
    named = {trial["baseline"]: trial for trial in found["trials"] if "baseline" in trial}
    [best] = [trial for trial in found["trials"] if trial["number"] in found["best"]]
    return {**named, "found": best}


def validation(found: dict[str, Any]) -> dict[str, Any]:
    """What the search measured, on validation data, means over its seeds."""
    states = [trial["state"] for trial in found["trials"]]
    return {
        "trials": {state: states.count(state) for state in sorted(set(states))},
        "validation": {
            name: {"trial": trial["number"], "parameters_of_trial": trial["parameters"], **trial["measures"]}
            for name, trial in chosen(found).items()
        },
    }


def compare(folder: Path, found: dict[str, Any], out: Path, workers: str) -> dict[str, Any]:
    """All of them as policies of one comparison, on the test set."""
    plain = {
        name: yaml.safe_load((folder / trial["folder"] / "config.yaml").read_text())
        for name, trial in chosen(found).items()
    }
    content = {
        "data": plain["found"]["data"],
        **{key: plain["found"][key] for key in SECTIONS},
        "policies": {name: {key: one.get(key) for key in SECTIONS} for name, one in plain.items()},
        "reference": "big",
        "seeds": SEEDS,
    }
    file = out / "compare.yaml"
    file.write_text(json.dumps(content, indent=1))  # JSON is YAML
    target = out / "compare"
    subprocess.run(
        [GROWSEARCH, "compare", str(file), "--workers", workers, "--quiet", "--out", str(target)], check=True
    )
    results = json.loads((target / "results.json").read_text())
    return {key: results[key] for key in ("verdict", "policies")}


if __name__ == "__main__":
    main()

"""Run a study, or go on with it, and write what it found as it comes.

uv run python -m experiments.growth_pays STUDY [--text FILE ...] [--seeds 6] [--workers 2] [--out DIR]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.growth_pays.differences import against
from experiments.growth_pays.runs import PILOT, One, Study, best_of, pool
from growsearch.runs.store import read_growth, read_rows

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=sorted(path.stem for path in HERE.glob("*.yaml")))
    parser.add_argument("--text", nargs="*", type=Path, default=[], help="files; none: the help that comes with Python")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/growth_pays"))
    options = parser.parse_args()
    text = "_".join(path.stem for path in options.text) or "python_help"
    study = Study(HERE / f"{options.study}.yaml", options.text, options.out / f"{options.study}_{text}")
    record: dict[str, Any] = {
        "command": f"uv run python -m experiments.growth_pays {options.study} --text {text}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "torch": version("torch"),
        "processor": platform.processor() or platform.machine(),
        "pilot_seed": PILOT,
        "seeds": options.seeds,
        "learning_rates": {},
    }
    target = HERE / "results" / f"{options.study}_{text}.json"
    target.parent.mkdir(exist_ok=True)
    with pool(options.workers) as workers:
        for policy in study.policies:
            record["learning_rates"][policy] = study.tune(policy, workers)
            print(policy, record["learning_rates"][policy], flush=True)
        best = {policy: best_of(tried) for policy, tried in record["learning_rates"].items()}
        for seed in range(options.seeds):
            list(workers.map(study.run, [One(policy, best[policy], seed) for policy in study.policies]))
            record["policies"] = {
                policy: [seen(study, One(policy, best[policy], each)) for each in range(seed + 1)]
                for policy in study.policies
            }
            record["differences"] = differences(study, record)
            target.write_text(json.dumps(record, indent=1) + "\n")
            print(f"seed {seed}", flush=True)
            for policy, runs in record["policies"].items():
                losses = [run["test_loss"] for run in runs]
                print(f"  {policy:20} {sum(losses) / len(losses):.4f}", *(f"{one:.4f}" for one in losses), flush=True)


def seen(study: Study, one: One) -> dict[str, Any]:
    """What is kept of a run: its end, its curve on the validation text over FLOPs, and its growth."""
    folder, result = study.out / one.name, study.result(one)
    kept = ("steps", "parameters", "training_flops", "growth_flops", "seconds", "data_sha256")
    return {
        **{key: result.get(key) for key in kept},
        "test_loss": result["test_loss"],
        "curve": [[row.training_flops, round(row.value("validation_loss") or 0, 5)] for row in read_rows(folder)],
        "growth": [
            [line.step, line.parameters_before, line.parameters_after, line.measured_change, line.refused]
            for line in read_growth(folder)
        ],
    }


def differences(study: Study, record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of the test losses of every growing policy to each fixed one, paired by seed."""
    losses = {policy: [run["test_loss"] for run in runs] for policy, runs in record["policies"].items()}
    grows = {policy: study.policies[policy].growth.grows for policy in losses}
    return {
        policy: {fixed: against(losses[policy], losses[fixed]) for fixed in losses if not grows[fixed]}
        for policy in losses
        if grows[policy]
    }


if __name__ == "__main__":
    main()

"""What `growsearch compare all_policies` found, in short.

    uv run growsearch compare all_policies --out runs/all_policies
    uv run python experiments/all_policies/summarise.py runs/all_policies

Writes results.json; `experiments/method_table/table.py` puts its table on docs/methods.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

HERE = Path(__file__).parent


def summary(folder: Path) -> dict[str, Any]:
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    verdict = results["verdict"]
    pairs = {pair["policy"]: pair for pair in verdict["pairs"] if pair["against"] == verdict["reference"]}
    rows = {}
    for name, policy in results["policies"].items():
        accuracy = [100 * value for value in policy["test_accuracy"]]
        pair = pairs.get(name)
        rows[name] = {
            "seeds": len(accuracy),
            "accuracy": round(fmean(accuracy), 2),
            "deviation": round(stdev(accuracy), 2),
            "parameters": round(fmean(policy["active_parameters"])),
            "megaflops": round(fmean(policy["training_flops"]) / 1e6),
            "seconds": round(fmean(policy["seconds"]), 1),
            "growth_share": round(sum(policy["growth_seconds"]) / sum(policy["seconds"]), 3),
            "difference": pair and round(100 * pair["mean_difference"], 2),
            "adjusted_p_value": pair and pair["adjusted_p_value"],
            "direction": pair and pair["direction"],
        }
    return {
        "machine": {key: environment[key] for key in ("processor", "cores", "device", "git")},
        "torch": environment["packages"]["torch"],
        "reference": verdict["reference"],
        "sentence": verdict["sentence"],
        "failures": results["failures"],
        "policies": rows,
    }


if __name__ == "__main__":
    (HERE / "results.json").write_text(json.dumps(summary(Path(sys.argv[1])), indent=1) + "\n")

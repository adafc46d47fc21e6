"""Read a finished comparison of finds.yaml or finds_cifar10.yaml into results.json, and print the table of the README.

uv run python -m experiments.growth_pays.finds_table finds runs/finds
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from experiments.growth_pays.summarise import HERE, against
from growsearch.runs.store import read_result

ARMS = ("uniform", "gauss_newton", "firefly", "singular_value")


def main() -> None:
    study, folder = sys.argv[1], Path(sys.argv[2])
    environment = json.loads((folder / "environment.json").read_text())
    runs = {
        arm: {"grown": ends(folder / arm), "retrained": ends(folder / f"{arm}, retrained")}
        for arm in ARMS
        if (folder / arm).is_dir()
    }
    uniform = runs["uniform"]["retrained"]["test_loss"]
    differences = {arm: against(runs[arm]["retrained"]["test_loss"], uniform) for arm in list(runs)[1:]}
    target = HERE / "results.json"
    record = json.loads(target.read_text())
    record[study] = {
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device")},
        "runs": runs,
        "differences": differences,
    }
    target.write_text(json.dumps(record) + "\n")
    for arm, one in runs.items():
        grown, retrained = (one[which]["test_loss"] for which in ("grown", "retrained"))
        share = fmean(one["grown"]["growth_flops"]) / fmean(one["grown"]["training_flops"])
        cell = ""
        if arm in differences:
            difference = differences[arm]
            low, high = difference["interval"]
            cell = (
                f"{difference['mean']:+.3f} [{low:+.3f}, {high:+.3f}], p {difference['p']:.2f}, "
                f"{difference['lower']} of {len(uniform)}"
            )
        print(
            f"| {arm} | {one['retrained']['widths'][0]} | {share:.0%} | {fmean(grown):.4f} ± {stdev(grown):.4f} | "
            f"{fmean(retrained):.4f} ± {stdev(retrained):.4f} | {cell} |"
        )


def ends(folder: Path) -> dict[str, Any]:
    """By seed: the test loss, the size, the FLOPs, and the widths of the MLPs from the first block on."""
    results = [read_result(seed) for seed in sorted(folder.glob("seed-*"))]
    return {
        "test_loss": [one.value("test_loss") for one in results],
        "parameters": [one.parameters for one in results],
        "training_flops": [one.training_flops for one in results],
        "growth_flops": [one.growth_flops for one in results],
        "widths": [[width for site, width in one.widths.items() if ".mlp." in site] for one in results],
    }


if __name__ == "__main__":
    main()

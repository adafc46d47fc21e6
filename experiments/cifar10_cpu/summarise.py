"""Read a finished comparison of `vgg11.yaml` into `results.json`: accuracy, cost, and the share of the growth steps.

uv run growsearch compare experiments/cifar10_cpu/vgg11.yaml --set data.root=FOLDER --out runs/cifar10_cpu
uv run python experiments/cifar10_cpu/summarise.py runs/cifar10_cpu experiments/cifar10_cpu/results.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    record = {
        "command": "uv run growsearch compare experiments/cifar10_cpu/vgg11.yaml --set data.root=FOLDER",
        "data": "CIFAR-10 (JPEG): all 50,000 training and 10,000 test images, re-encoded as JPEG",
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device", "workers")},
        "policies": {},
    }
    for name, row in results["policies"].items():
        accuracy = [round(100 * a, 2) for a in row["test_accuracy"]]
        share = sum(row["growth_seconds"]) / sum(row["seconds"])
        record["policies"][name] = {
            "test_accuracy_percent": accuracy,
            "mean": round(statistics.mean(accuracy), 2),
            "std": round(statistics.stdev(accuracy), 2),
            "parameters": row["parameters"][0],
            "training_flops": row["training_flops"],
            "seconds": [round(s, 1) for s in row["seconds"]],
            "growth_seconds": [round(s, 2) for s in row["growth_seconds"]],
            "growth_share_of_seconds": round(share, 4),
        }
        shown = record["policies"][name]
        print(f"{name:8} {shown['mean']:.2f} +- {shown['std']:.2f} %  {shown['parameters']:,}  growth {share:.2%}")
    target.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

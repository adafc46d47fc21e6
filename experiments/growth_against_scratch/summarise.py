"""Read a finished comparison of `cnn.yaml` into `results.json`, and print the table and the sentences of the README.

uv run growsearch compare experiments/growth_against_scratch/cnn.yaml --workers 1 --out runs/growth_against_scratch
uv run python experiments/growth_against_scratch/summarise.py runs/growth_against_scratch \\
    experiments/growth_against_scratch/results.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

COMMAND = "uv run growsearch compare experiments/growth_against_scratch/cnn.yaml --workers 1"


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    controls = results["verdict"]["controls"]
    record = {
        "command": COMMAND,
        "data": "digits: 1,797 images of 8x8 pixels from scikit-learn; 1,097 training, 400 test",
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device", "workers")},
        "runs": {},
        "verdict": results["verdict"],
    }
    for name, row in {**results["policies"], **results["controls"]}.items():
        accuracy = [round(100 * a, 2) for a in row["test_accuracy"]]
        record["runs"][name] = {
            "seeds": row["seeds"],
            "test_accuracy_percent": accuracy,
            "mean": round(statistics.mean(accuracy), 2),
            "std": round(statistics.stdev(accuracy), 2),
            "parameters": row["parameters"],
            "training_flops": row["training_flops"],
        }
        shown = record["runs"][name]
        flops = statistics.mean(row["training_flops"]) / 1e9
        size = f"{statistics.mean(row['parameters']):,.0f}"
        print(f"| {name} | {shown['mean']:.2f} ± {shown['std']:.2f} % | {size} | {flops:.1f} G |")
    print(results["verdict"]["sentence"], *controls["sentences"], controls["lacking_sentence"], sep="\n")
    target.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

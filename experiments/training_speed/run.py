"""Milliseconds of a training step on a GPU, with passes computed and replayed.

uv run python experiments/training_speed/run.py [--data .data/cifar10] [--out experiments/training_speed/results.json]

Each line of results is one run of the network on all of CIFAR-10's images for two epochs; the second one is timed,
whole (batches, augmentation, passes, optimizer). The device and the versions are in the file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from growsearch.config import load_config
from growsearch.execution.environment import describe_environment
from growsearch.runs.lines import read_lines
from growsearch.training import run_one

NETWORKS = {"vgg11": ("cifar10_vgg11", (0.25, 1.0)), "wrn28": ("cifar10_wrn28", (0.25, 1.0))}
EPOCHS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".data/cifar10"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results.json")
    options = parser.parse_args()
    lines: list[dict[str, Any]] = []
    for name, (file, widths) in NETWORKS.items():
        for width in widths:
            for precision in ("float32", "bfloat16"):
                for replayed in (False, True):
                    found = measure(file, width, precision, replayed, options.data)
                    lines.append(
                        {"network": name, "width": width, "precision": precision, "replayed": replayed, **found}
                    )
                    print(json.dumps(lines[-1]), flush=True)
                    content = {"environment": describe_environment("cuda", 1, 1, 1), "steps": lines}
                    options.out.write_text(json.dumps(content, indent=1) + "\n")


def measure(file: str, width: float, precision: str, replayed: bool, data: Path) -> dict[str, float]:
    overrides = [
        f"data={{name: image_folder, root: {data}}}",
        f"network.width={width}",
        f"training.epochs={EPOCHS}",
        f"training.precision={precision}",
        f"training.cuda_graph={str(replayed).lower()}",
        "growth={when: never}",
        "policies={run: {}}",
        "seeds=1",
    ]
    with tempfile.TemporaryDirectory() as folder:
        run_one(load_config(file, overrides).policy_configs()["run"], 0, Path(folder), "cuda")
        rows = read_lines(Path(folder) / "metrics.jsonl")
    seconds = rows[-1]["seconds"] - rows[-2]["seconds"]
    return {"ms": 1000 * seconds / (rows[-1]["step"] - rows[-2]["step"]), "train_loss": rows[-1]["train_loss"]}


if __name__ == "__main__":
    main()

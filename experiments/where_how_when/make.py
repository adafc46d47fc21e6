"""Write the two comparison files: every combination of where, how and when on one network.

uv run python experiments/where_how_when/make.py
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
WHERE: dict[str, Any] = {"uniform": "uniform", "round_robin": "round_robin", "firefly": "firefly"}
HOW: dict[str, Any] = {"random": "random", "split": "split", "gradmax": "gradmax"}
COMMON = {
    "training": {
        "batch_size": 64,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "schedule": {"name": "cosine"},
        "precision": "float32",
    },
}
TASKS: dict[str, dict[str, Any]] = {
    "digits": {
        "head": "All combinations of three wheres, three hows and two whens, on digits: 18 policies and two controls.",
        "data": {"name": "digits"},
        "network": {"name": "small_cnn", "channels": [16, 32, 64], "width": 0.25},
        "training": {"epochs": 20},
        "budget": {"parameters": 6218},
        "every": {"early": 16, "late": 48},
        "big": 0.5,
        "seeds": 20,
    },
    "cifar10_subset": {
        "head": "All combinations of three wheres, three hows and two whens on 3,000 of CIFAR-10's images (subset.py).",
        "data": {"name": "image_folder", "root": ".data/cifar10-subset", "validation": 500},
        "network": {"name": "small_cnn", "channels": [16, 32, 64], "width": 0.5},
        "training": {"epochs": 10},
        "budget": {"parameters": 24234},
        "every": {"early": 12, "late": 36},
        "big": 1.0,
        "seeds": 10,
    },
}
EVENTS = 6
SITES = 3  # `round_robin` grows one of them an event: as many times as often, so that all end with the same size


def main() -> None:
    for name, task in TASKS.items():
        policies: dict[str, Any] = {
            "small": {"growth": {"when": "never"}},
            "big": {"network": {"width": task["big"]}, "growth": {"when": "never"}},
        }
        for where, how, when in product(WHERE, HOW, task["every"]):
            growth = {"when": timing(task["every"][when], where), "where": WHERE[where], "how": HOW[how]}
            policies[f"{where}-{how}-{when}"] = {"growth": growth}
        first = {"when": timing(task["every"]["early"], "uniform"), "where": "uniform", "how": "random"}
        content = {
            "data": task["data"],
            "network": task["network"],
            "training": {**task["training"], **COMMON["training"]},
            "growth": {"budget": task["budget"], **first},
            "policies": policies,
            "reference": "uniform-random-early",
            "seeds": task["seeds"],
        }
        head = f"# {task['head']}\n# Written by make.py.\n\n"
        content = json.loads(json.dumps(content))  # no two places share an object, so that YAML needs no anchors
        (HERE / f"{name}.yaml").write_text(head + yaml.safe_dump(content, sort_keys=False, default_flow_style=None))


def timing(every: int, where: str) -> dict[str, Any]:
    """`EVENTS` events, each `every` steps; one site at a time, the same part of the training."""
    often = SITES if where == "round_robin" else 1
    return {"interval": {"every": every // often, "count": EVENTS * often}}


if __name__ == "__main__":
    main()

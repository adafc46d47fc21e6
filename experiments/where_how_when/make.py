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
        "when": {"early": {"interval": {"every": 16, "count": 6}}, "late": {"interval": {"every": 48, "count": 6}}},
        "big": 0.5,
        "seeds": 10,
    },
    "cifar10_subset": {
        "head": "All combinations of two wheres, three hows and two whens on 2,000 of CIFAR-10's images (subset.py).",
        "data": {"name": "image_folder", "root": ".data/cifar10-subset", "validation": 400},
        "network": {"name": "small_cnn", "channels": [16, 32, 64], "width": 0.25},
        "training": {"epochs": 15},
        "budget": {"parameters": 6362},
        "when": {"early": {"interval": {"every": 16, "count": 6}}, "late": {"interval": {"every": 40, "count": 6}}},
        "big": 0.5,
        "seeds": 10,
    },
}


def main() -> None:
    for name, task in TASKS.items():
        wheres = [one for one in WHERE if name == "digits" or one != "round_robin"]
        policies: dict[str, Any] = {
            "small": {"growth": {"when": "never"}},
            "big": {"network": {"width": task["big"]}, "growth": {"when": "never"}},
        }
        for where, how, when in product(wheres, HOW, task["when"]):
            growth = {"when": task["when"][when], "where": WHERE[where], "how": HOW[how]}
            policies[f"{where}-{how}-{when}"] = {"growth": growth}
        first = {"when": task["when"]["early"], "where": "uniform", "how": "random"}
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


if __name__ == "__main__":
    main()

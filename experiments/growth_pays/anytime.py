"""Write the comparison of one growing run with fixed sizes at five budgets, a factor of 16 apart.

uv run python experiments/growth_pays/anytime.py > anytime.yaml

Every budget is a policy of its own. Under `wsd` the runs of one arm share their learning rate up to where the decay of
the shorter one begins, and the growing arm grows at the same FLOPs in all of them: they are the cool-downs of one run,
trained apart.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

BUDGETS = (0.15e12, 0.3e12, 0.6e12, 1.2e12, 2.4e12)
SIZES = (1, 2, 4, 8)
DECAY = 0.2
BASE: dict[str, Any] = {
    "data": {"name": "text", "vocabulary": "characters", "context": 64, "validation": 0.05, "test": 0.05},
    "network": {"name": "gpt", "depth": 1, "embedding": 32, "heads": 2},
    "training": {
        "flops": BUDGETS[0],
        "batch_size": 32,
        "optimizer": {"name": "adamw", "lr": 0.012, "betas": [0.9, 0.95], "weight_decay": 0.1},
        "schedule": {"name": "wsd", "warmup": 0.02, "decay": DECAY, "final": 0.1},
        "clip": 1.0,
        "rows": 10,
    },
    "growth": {"when": "never"},
}


def main() -> None:
    policies = {
        name(f"fixed_{size}", budget): {"network": {"depth": size}, "training": {"flops": budget}}
        for size in SIZES
        for budget in BUDGETS
    }
    document = {
        **BASE,
        "policies": policies,
        "tune": {"learning_rates": [1, 2], "pilot_seeds": [1000]},
        "seeds": 6,
        "reference": name("fixed_4", BUDGETS[-1]),
    }
    yaml.safe_dump(document, sys.stdout, sort_keys=False)


def name(arm: str, budget: float) -> str:
    return f"{arm}_at_{budget / 1e9:.0f}"


if __name__ == "__main__":
    main()

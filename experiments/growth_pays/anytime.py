"""Write the comparisons of one growing run with fixed sizes at five budgets, a factor of 16 apart.

uv run python experiments/growth_pays/anytime.py fixed > anytime_fixed.yaml
uv run python experiments/growth_pays/anytime.py early > anytime_early.yaml
uv run python experiments/growth_pays/anytime.py octaves > anytime_octaves.yaml
uv run python experiments/growth_pays/anytime.py confirm > anytime_confirm.yaml
uv run python experiments/growth_pays/anytime.py itself > anytime_itself.yaml

Every budget is a policy of its own. Under `wsd` the runs of one arm share their learning rate up to where the decay of
the shorter one begins, and the growing arm grows at the same FLOPs in all of them: they are the cool-downs of one run,
trained apart. A fixed network has the better of two learning rates at each budget, the growing run one for all of them.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

BUDGETS = (0.15e12, 0.3e12, 0.6e12, 1.2e12, 2.4e12)
SIZES = (1, 2, 4, 8)
DECAY = 0.2
PARAMETERS = (29_600, 55_008)  # of two and of four blocks
GROWING = {"early": ((0.12e12, 1.0e12), 0.024), "octaves": ((0.3e12, 1.2e12), 0.012)}
"""FLOPs at which a growing run has two and four blocks, and its learning rate."""
BEST = ((2, 0.012), (2, 0.012), (4, 0.024))
"""The fixed size that ended lowest on six seeds at each of the last three budgets, and its learning rate."""
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


class _Plain(yaml.SafeDumper):
    """Without anchors, which growsearch does not read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def main() -> None:
    arms = sys.argv[1]
    arms_of = {"fixed": fixed, "confirm": confirm, "itself": itself}.get(arms, lambda: growing(*GROWING[arms]))
    document = {**BASE, "seeds": 6, **arms_of()}
    yaml.dump(document, sys.stdout, _Plain, sort_keys=False)


def fixed() -> dict[str, Any]:
    """Every size at every budget, each with a learning rate of its own."""
    policies = {
        name(f"fixed_{size}", budget): {"network": {"depth": size}, "training": {"flops": budget}}
        for size in SIZES
        for budget in BUDGETS
    }
    tune = {"learning_rates": [1, 2], "pilot_seeds": [1000]}
    return {"policies": policies, "tune": tune, "reference": name("fixed_4", BUDGETS[-1])}


def growing(events: tuple[float, ...], rate: float) -> dict[str, Any]:
    """One run from one block to two and to four, cooled down at every budget."""
    policies = {}
    for budget in BUDGETS:
        before = [(at, limit) for at, limit in zip(events, PARAMETERS, strict=True) if at < (1 - DECAY) * budget]
        growth: dict[str, Any] = {"when": "never"}
        if before:
            growth = {
                "budget": {"parameters": [limit for _, limit in before]},
                "when": {"flops": {"shares": [round(at / budget, 4) for at, _ in before]}},
                "how": "identity_blocks",
            }
        optimizer = {**BASE["training"]["optimizer"], "lr": rate}
        policies[name("grown", budget)] = {"training": {"flops": budget, "optimizer": optimizer}, "growth": growth}
    return {"policies": policies, "reference": name("grown", BUDGETS[-1])}


def confirm() -> dict[str, Any]:
    """The growing run where it has grown, and the best fixed size of each of these budgets, for twelve seeds."""
    policies = growing(*GROWING["octaves"])["policies"]
    for (size, rate), budget in zip(BEST, BUDGETS[2:], strict=True):
        optimizer = {**BASE["training"]["optimizer"], "lr": rate}
        training = {"flops": budget, "optimizer": optimizer}
        policies[name(f"fixed_{size}", budget)] = {"network": {"depth": size}, "training": training}
    for budget in BUDGETS[:2]:
        del policies[name("grown", budget)]
    return {"policies": policies, "reference": name("grown", BUDGETS[-1]), "seeds": 12}


def itself() -> dict[str, Any]:
    """A growing run that finds its moments by itself, for twelve seeds; reports at the same FLOPs at all budgets."""
    _, rate = GROWING["octaves"]
    optimizer = {**BASE["training"]["optimizer"], "lr": rate}
    when = {"compute_optimal": {"gain": 0.1, "size_exponent": 1.0}}
    growth = {"budget": {"parameters": list(PARAMETERS)}, "when": when, "how": "identity_blocks"}
    policies = {
        name("grown", budget): {
            "training": {"flops": budget, "optimizer": optimizer, "rows": round(100 * budget / BUDGETS[-1])},
            "growth": growth,
        }
        for budget in BUDGETS[2:]
    }
    return {"policies": policies, "reference": name("grown", BUDGETS[-1]), "seeds": 12}


def name(arm: str, budget: float) -> str:
    return f"{arm}_at_{budget / 1e9:.0f}"


if __name__ == "__main__":
    main()

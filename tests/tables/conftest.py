"""A small table whose figures are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from growsearch.search.drawing import quasi_random
from growsearch.search.space import distributions
from growsearch.tables import GrowthTable

SPACE: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [8], "width": {"type": "float", "low": 0.5, "high": 1.0}},
    "training": {
        "epochs": 5,
        "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.01, "high": 1.0, "log": True}},
    },
    "growth": {
        "when": {
            "type": "choice",
            "options": {
                "never": {},
                "interval": {"every": {"type": "int", "low": 2, "high": 20}},
            },
        },
        "where": "uniform",
        "how": "random",
    },
}


def synthetic(
    configurations: int = 60,
    seeds: int = 8,
    noise: float = 0.3,
    misleading: bool = False,
    early_noise: float = 0.3,
) -> GrowthTable:
    """Losses that the learning rate alone decides, with equal noise for every run; a run costs 5 FLOPs.

    Args:
        configurations: of the table.
        seeds: of each.
        noise: of a run's end.
        misleading: whether what is good at a fifth of the schedule is bad at its end.
        early_noise: of what is seen before the end.
    """
    random = np.random.default_rng(0)
    points = [quasi_random(SPACE, 0, index) for index in range(configurations)]
    known = distributions(SPACE)
    values = np.array([[known[k].to_internal_repr(p[k]) if k in p else np.nan for k in known] for p in points])
    place = list(known).index("training.optimizer.lr")
    truth = np.abs(np.log10(values[:, place]) + 1.0)  # 0 at 0.1, 1 at both ends
    shape = (configurations, seeds)
    end = truth[:, None] + noise * random.standard_normal(shape)
    early = (1 - truth if misleading else truth)[:, None] + early_noise * random.standard_normal(shape)
    loss = np.stack([early, early, early, early, end], axis=-1)
    clock = np.broadcast_to(np.arange(1.0, 6.0), (*shape, 5))
    return GrowthTable(
        name="synthetic",
        space=SPACE,
        parameters=tuple(known),
        values=values,
        seeds=np.arange(seeds),
        shares=np.arange(1, 6) / 5,
        curves={
            "validation_loss": loss,
            "validation_accuracy": 1 - loss,
            "training_flops": clock,
            "seconds": clock,
        },
        final={"test_accuracy": 1 - loss[..., -1]},
        states=np.full(shape, "complete", dtype="<U8"),
        reasons={},
        about={"licence of the data": "none: synthetic"},
    )


@pytest.fixture
def table() -> GrowthTable:
    return synthetic()

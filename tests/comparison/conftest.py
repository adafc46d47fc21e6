"""Comparisons that take a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from growsearch.config import RunConfig

SMALL: dict[str, Any] = {
    "data": {"name": "teacher_student", "inputs": 4, "hidden": 6, "outputs": 3, "samples": 50},
    "network": {"name": "mlp", "hidden": [3], "bias": False},
    "training": {"steps": 12, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}},
    "growth": {"when": {"interval": {"every": 4, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}},
    "policies": {"small": {"growth": {"when": {"never": {}}}}, "zero": {}},
    "seeds": 2,
}


@pytest.fixture
def comparison() -> Callable[..., RunConfig]:
    """Make the configuration of a small comparison, with any section replaced."""

    def make(**sections: Any) -> RunConfig:
        return RunConfig.model_validate({**SMALL, **sections})

    return make

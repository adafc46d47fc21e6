"""A task small enough to be trained dozens of times in a test run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from growsearch.config import RunConfig


@pytest.fixture
def student() -> Callable[..., RunConfig]:
    """Make the configuration of a small student of a teacher, with any section replaced."""

    def make(**sections: Any) -> RunConfig:
        plain = {
            "data": {"name": "teacher_student", "inputs": 4, "hidden": 6, "outputs": 3, "samples": 50},
            "network": {"name": "mlp", "hidden": [3], "bias": False},
            "training": {"steps": 24, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}},
        }
        return RunConfig.model_validate({**plain, **sections})

    return make

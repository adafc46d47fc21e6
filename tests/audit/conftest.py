"""Runs that take a fraction of a second, in folders to be audited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.audit import Target, find_run
from growsearch.comparison import compare
from growsearch.config import RunConfig

EVENTS = (8, 16)
SMALL: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [4]},
    # 1,097 images in 5 steps an epoch: rows at 5, 10, 15, 20 and 24
    "training": {"steps": 24, "batch_size": 256, "optimizer": {"name": "sgd", "lr": 0.2, "momentum": 0.9}},
    "growth": {
        "when": {"schedule": {"steps": list(EVENTS)}},
        "how": {"gradmax": {}},
        "budget": {"units": 4},
        "statistics": {"batch_size": 64},
    },
}

Make = Callable[..., Target]


def config(**sections: Any) -> RunConfig:
    """The configuration of a small growing run, with any section replaced."""
    return RunConfig.model_validate({**SMALL, **sections})


def trained(folder: Path, **sections: Any) -> Target:
    """A small growing run, finished, in a folder."""
    compare(config(**sections), folder, "cpu", workers=1)
    return find_run(folder)


@pytest.fixture
def run(tmp_path: Path) -> Make:
    """Make a finished run, with any section of its configuration replaced."""
    return lambda **sections: trained(tmp_path / "run", **sections)

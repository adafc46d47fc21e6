"""A run that grows twice, small enough to be trained dozens of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from growsearch.config import RunConfig
from growsearch.runs.events import RowDone, RunEvent
from growsearch.training import run_one

PLAIN: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [3]},
    "training": {"steps": 24, "batch_size": 128, "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}},
    "growth": {
        "when": {"schedule": {"steps": [8, 16]}},
        "where": {"uniform": {}},
        "how": {"gradmax": {}},
        "budget": {"units": 4},
        "statistics": {"batch_size": 16},
    },
}
ROWS = [9, 18, 24]


@pytest.fixture
def config() -> RunConfig:
    return RunConfig.model_validate(PLAIN)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An MLflow store of one's own."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    return uri


def interrupted(config: RunConfig, folder: Path, step: int, loggers: list[str]) -> None:
    """Vanish at the row of `step`, after a checkpoint at some step before it."""

    def crash(event: RunEvent) -> None:
        if isinstance(event, RowDone) and event.row.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(config, 3, folder, "cpu", crash, loggers=loggers)
    assert (folder / "checkpoint.pt").exists()

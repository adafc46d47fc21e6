"""The test set is read once in a run, after its last step: every decision rests on training and validation data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison import compare
from growsearch.config import RunConfig
from growsearch.data import DataSet, Split, load_data
from growsearch.runs.events import Grew, RowDone, RunFinished, RunStarted
from growsearch.training import setup
from tests.watching import Told, of_kind


@dataclass(frozen=True, eq=False)
class NotedSplit(Split):
    """A split that notes every access to its targets and inputs."""

    notes: list[str]

    def __getattribute__(self, name: str) -> Any:
        if name in ("inputs", "targets"):
            object.__getattribute__(self, "notes").append(f"test {name}")
        return object.__getattribute__(self, name)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read of the test split by anything that a run is set up with."""
    noted: list[str] = []

    def load(config: dict[str, Any], seed: int, allow_import: bool) -> DataSet:
        data = load_data(config, seed, allow_import)
        test = NotedSplit(data.test.inputs, data.test.targets, noted)
        return replace(data, test=test)

    monkeypatch.setattr(setup, "load_data", load)
    return noted


def test_the_test_set_is_read_once_at_the_end_of_each_run(
    comparison: Callable[..., RunConfig], tmp_path: Path, notes: list[str]
) -> None:
    config = comparison(
        data={"name": "digits"},
        network={"name": "mlp", "hidden": [3]},
        training={"epochs": 3, "batch_size": 256, "optimizer": {"name": "sgd", "lr": 0.05}},
        growth={"when": {"plateau": {"patience": 1}}, "how": {"gradmax": {}}, "budget": {"units": 2}},
        controls=("retrained", "equal_compute"),
        seeds=1,
    )

    kinds = {RunStarted: "started", RowDone: "row", Grew: "growth", RunFinished: "finished"}

    def watch(told: Told) -> None:
        notes.extend(kinds[type(one.event)] for one in of_kind([told], *kinds))

    results = compare(config, tmp_path, "cpu", workers=1, progress=watch)

    runs = [*results["policies"], *results["controls"]]
    assert len(runs) == 4 and results["failures"] == []
    assert notes.count("test targets") == len(runs)  # one batch of 400 images each
    together = [kind for kind, _ in groupby("test" if note.startswith("test") else note for note in notes)]
    phases = [kind for kind in together if kind != "growth"]
    assert phases == ["started", "row", "test", "finished"] * len(runs)

"""The steps until the training loss is back after a growth that raised it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from growsearch.config import RunConfig
from growsearch.runs.events import Recovered, RunEvent
from growsearch.runs.store import read_growth
from growsearch.training import TrainingRun
from growsearch.training.recovery import WINDOW, Recoveries

CPU = torch.device("cpu")


def event(before: float | None, after: float | None, refused: str | None = None) -> Any:
    return SimpleNamespace(loss_before=before, loss_after=after, refused=refused)


def fed(recoveries: Recoveries, losses: list[float]) -> None:
    for loss in losses:
        recoveries.step(torch.tensor(loss))


def test_the_loss_is_back_when_a_whole_window_after_the_event_is_at_its_level() -> None:
    recoveries = Recoveries(CPU)
    fed(recoveries, [9.0, *[1.0] * WINDOW])
    assert recoveries.grew(event(1.0, 2.0)) is None

    fed(recoveries, [2.0, 2.0, 2.0, *[1.0] * (WINDOW - 1)])
    assert recoveries.take() == []  # one of the eight is still at 2
    fed(recoveries, [1.0, 5.0])

    (found,) = recoveries.take()
    assert (found.step, found.recovered_steps) == (WINDOW + 1, WINDOW + 3)
    assert recoveries.take() == []


def test_losses_before_the_event_do_not_count_as_after_it() -> None:
    recoveries = Recoveries(CPU)
    fed(recoveries, [1.0] * WINDOW)
    recoveries.grew(event(1.0, 2.0))
    fed(recoveries, [0.5] * (WINDOW - 1))
    assert recoveries.take() == []
    fed(recoveries, [0.5])
    assert recoveries.take()[0].recovered_steps == WINDOW


def test_what_did_not_rise_is_back_at_once_and_what_is_not_known_stays_unknown() -> None:
    recoveries = Recoveries(CPU)
    fed(recoveries, [1.0])
    assert recoveries.grew(event(1.0, 1.0 + 1e-6)) == 0 and recoveries.grew(event(1.0, 0.5)) == 0
    assert recoveries.grew(event(None, None)) is None and recoveries.grew(event(1.0, 2.0, "no")) is None
    fed(recoveries, [0.0] * WINDOW)
    assert recoveries.take() == []


@pytest.fixture
def jumping(student: Callable[..., RunConfig]) -> RunConfig:
    """A run of 60 steps that grows once; the tests call its event a jump."""
    growth = {
        "when": {"schedule": {"steps": [10]}},
        "how": {"variance_transfer": {"rescale": "all"}},
        "budget": {"units": 3},
        "statistics": {"batch_size": 16},
    }
    return student(growth=growth, training={"steps": 60, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 0.05}})


def test_the_event_says_its_losses_and_a_run_its_recovery(
    jumping: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.training.recovery.jumped", lambda before, after: True)
    told: list[RunEvent] = []
    run = TrainingRun(jumping, 3, tmp_path, "cpu", told.append)
    run.train()
    run.finish()
    run.close()

    (line,) = read_growth(tmp_path)
    assert line.loss_before is not None and line.loss_after is not None
    assert line.measured_change == pytest.approx(line.loss_after - line.loss_before)
    (recovered,) = [each.recovery for each in told if isinstance(each, Recovered)]
    assert (recovered.step, recovered.recovered_steps) == (10, line.recovered_steps) and recovered.recovered_steps >= 8


@pytest.mark.parametrize("stop", [9, 10, 13, 17, 30])
def test_a_run_that_is_resumed_recovers_at_the_same_step(
    jumping: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr("growsearch.training.recovery.jumped", lambda before, after: True)
    folders = tmp_path / "whole", tmp_path / "cut"
    for folder in folders:
        folder.mkdir()
    whole = TrainingRun(jumping, 3, folders[0], "cpu", lambda event: None)
    whole.train()
    whole.finish()
    whole.close()

    cut = TrainingRun(jumping, 3, folders[1], "cpu", lambda event: None)
    cut.train(stop)
    cut.save()
    cut.train(stop + 12)
    cut.write_row()  # lost with the kill
    cut.close()
    again = TrainingRun(jumping, 3, folders[1], "cpu", lambda event: None)
    again.train()
    again.finish()
    again.close()

    first, second = (read_growth(folder)[0].recovered_steps for folder in folders)
    assert first == second is not None
    assert (folders[0] / "recoveries.jsonl").read_text() == (folders[1] / "recoveries.jsonl").read_text()


def test_an_event_that_keeps_the_function_needs_no_step(student: Callable[..., RunConfig], tmp_path: Path) -> None:
    growth = {"when": {"schedule": {"steps": [10]}}, "how": {"zero": {}}, "budget": {"units": 3}}
    run = TrainingRun(student(growth=growth), 3, tmp_path, "cpu", lambda event: None)
    run.train()
    run.finish()
    run.close()

    (line,) = read_growth(tmp_path)
    assert line.recovered_steps == 0 and line.loss_after == pytest.approx(line.loss_before, abs=1e-5)

"""Loggers change nothing: not what a run computes, nor that it ends."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from growsearch import registry
from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.loggers import LoggedRun, Logger, check_loggers, observers
from growsearch.runs.events import RowDone, RunEvent
from growsearch.runs.lines import read_lines
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult
from growsearch.training import run_one
from tests.loggers.conftest import ROWS

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


class Fails(Logger):
    """Does what its class attributes say."""

    at = "row"
    calls: list[str] = []
    stuck: threading.Event | None = None

    def __init__(self, run: LoggedRun) -> None:
        type(self).calls.append("made")
        self._do("made")

    def row(self, row: MetricsRow) -> None:
        self._do("row")

    def growth(self, event: GrowthLine) -> None:
        self._do("growth")

    def finish(self, result: RunResult) -> None:
        self._do("finish")

    def close(self) -> None:
        self._do("close")

    def _do(self, what: str) -> None:
        type(self).calls.append(what)
        if what == self.at and self.stuck is not None:
            self.stuck.wait()
        elif what == self.at:
            raise OSError("the server is gone\nand more")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes its database first, which takes long on a busy machine."""
    monkeypatch.setattr(observers, "_PATIENCE", 600.0)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Fails]:
    fresh = type("Fresh", (Fails,), {"calls": []})
    monkeypatch.setattr(observers, "lookup", lambda group, name: fresh)
    return fresh


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def test_a_logged_run_is_bit_for_bit_the_run_without(config: RunConfig, store: str, tmp_path: Path) -> None:
    plain = run_one(config, 3, tmp_path / "plain", "cpu")

    logged = run_one(config, 3, tmp_path / "logged", "cpu", loggers=["tensorboard", "mlflow"])

    assert without_times([logged.plain()]) == without_times([plain.plain()])
    for name in ("metrics.jsonl", "growth.jsonl"):
        lines = [without_times(read_lines(tmp_path / run / name)) for run in ("plain", "logged")]
        assert lines[0] == lines[1] != []
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("plain", "logged")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("at", ["made", "row", "growth", "finish", "close"])
def test_a_logger_that_fails_is_warned_of_once_and_the_run_ends_well(
    config: RunConfig, tmp_path: Path, failing: type[Fails], at: str
) -> None:
    failing.at = at

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run_one(config, 3, tmp_path, "cpu", loggers=["broken"])

    assert [str(one.message) for one in caught] == [
        "logger broken failed, and the training goes on without it: OSError: the server is gone"
    ]
    assert result.steps == 24
    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")] == ROWS
    assert failing.calls.count(at) == (2 if at == "made" else 1)


@pytest.mark.parametrize("at", ["made", "row", "close"])
def test_a_logger_that_hangs_is_left_behind(
    config: RunConfig, tmp_path: Path, failing: type[Fails], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(observers, "_PATIENCE", 0.05)
    failing.at = at
    failing.stuck = threading.Event()

    with pytest.warns(RuntimeWarning, match="logger slow failed.* no answer for 0.05 s"):
        result = run_one(config, 3, tmp_path, "cpu", loggers=["slow"])

    failing.stuck.set()
    assert result.steps == 24


def test_a_logger_is_closed_when_the_run_is_interrupted(
    config: RunConfig, tmp_path: Path, failing: type[Fails]
) -> None:
    failing.at = "nothing"

    def crash(event: RunEvent) -> None:
        if isinstance(event, RowDone) and event.row.step == ROWS[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(config, 3, tmp_path, "cpu", crash, loggers=["own"])

    assert failing.calls == ["made", "made", "growth", "row", "growth", "row", "close"]


def test_a_finished_run_is_not_logged_again(config: RunConfig, tmp_path: Path, failing: type[Fails]) -> None:
    run_one(config, 3, tmp_path, "cpu")

    run_one(config, 3, tmp_path, "cpu", loggers=["own"])

    assert failing.calls == []


def test_an_unknown_logger_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown logger 'mlfow': allowed are mlflow, tensorboard \(did you mean"):
        check_loggers(["tensorboard", "mlfow"])


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_loggers(["tensorboard", "mlflow"])
    monkeypatch.setattr(observers, "find_spec", lambda name: None)

    with pytest.raises(
        InputError, match=r'needs tensorboard, not installed here: (uv )?pip install "growsearch\[tensorboard'
    ):
        check_loggers(["tensorboard"])


def test_others_add_a_logger_by_an_entry_point(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "paper_log.py").write_text(PLUG_IN)
    installed = tmp_path / "paper_log-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: paper-log\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text("[growsearch.loggers]\npaper = paper_log:PaperLogger\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()

    try:
        check_loggers(["paper"])
        run_one(config, 3, tmp_path / "run", "cpu", loggers=["paper"])
    finally:
        registry.refresh()
    assert (tmp_path / "run" / "paper.txt").read_text() == "8\n9\n16\n18\n24\ndone 24\n"


PLUG_IN = """\
from growsearch.loggers import Logger


class PaperLogger(Logger):
    def __init__(self, run):
        self._file = (run.folder / "paper.txt").open("w")

    def row(self, row):
        print(row.step, file=self._file)

    growth = row

    def finish(self, result):
        print("done", result.steps, file=self._file)

    def close(self):
        self._file.close()
"""

"""Failures that are not the user's input: exit codes 3 and 130, messages, and no traceback unless asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from growsearch.errors import GrowthFailed
from tests.cli.conftest import Run
from tests.config.conftest import PLAIN


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(PLAIN)
    return path


def raising(error: BaseException) -> object:
    def compare(*_: object, **__: object) -> None:
        raise error

    return compare


def test_a_failure_on_purpose_ends_with_three(
    growsearch: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.comparison.compare", raising(GrowthFailed("rolled back")))

    result = growsearch("run", file, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert "failed: rolled back" in result.stderr


def test_an_unexpected_failure_ends_with_three_and_one_line(
    growsearch: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.comparison.compare", raising(ZeroDivisionError("by zero\nmore")))

    result = growsearch("run", file, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert result.stderr.strip() == "failed: ZeroDivisionError: by zero (GROWSEARCH_DEBUG=1 shows where)"


def test_debugging_shows_the_whole_error(
    growsearch: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.comparison.compare", raising(ZeroDivisionError("by zero")))
    monkeypatch.setenv("GROWSEARCH_DEBUG", "1")

    result = growsearch("run", file, "--out", tmp_path / "out")

    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupt_ends_with_130_and_says_how_to_continue(
    growsearch: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.comparison.compare", raising(KeyboardInterrupt()))

    result = growsearch("run", file, "--out", tmp_path / "out")

    assert result.exit_code == 130
    assert f"growsearch resume {tmp_path / 'out'}" in result.stderr


def test_a_failed_run_ends_with_three_after_the_table(growsearch: Run, file: Path, tmp_path: Path) -> None:
    arguments = ["--set", "training.optimizer.lr=1e30", "--seeds", "2", "--device", "cpu", "--workers", "1"]

    result = growsearch("run", file, *arguments, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert "failed: run seed 0: training diverged" in result.stderr
    assert "2 runs failed" in result.stderr

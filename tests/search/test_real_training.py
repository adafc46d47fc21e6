"""Searches that train: the best trial is repeated bit for bit, and the commands say what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from growsearch.config import load_space
from growsearch.execution.environment import core_count
from growsearch.runs.lines import read_lines
from growsearch.training.threads import threads
from tests.cli.conftest import Run, growsearch
from tests.search.conftest import TEXT

__all__ = ["growsearch"]

OVERRIDES = ("--set", "search.baselines=false", "--set", "search.pruner=asha")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(TEXT.replace("epochs: 1", "epochs: 2"))
    return path


@pytest.fixture
def searched(growsearch: Run, file: Path, tmp_path: Path) -> Any:
    return growsearch("search", file, "--out", tmp_path / "run", "--trials", 3, "--workers", 1, "--json", *OVERRIDES)


def test_a_search_ends_in_results_a_report_and_a_file_that_repeats_its_best_trial(
    growsearch: Run, searched: Any, tmp_path: Path
) -> None:
    assert searched.exit_code == 0
    results = json.loads(searched.stdout)
    run = tmp_path / "run"
    [best] = results["best"]
    trial = run / "trials" / str(best) / "seed-0"
    assert json.loads((trial / "result.json").read_text())["test_loss"] is None  # the test set is not read
    assert "History of validation_loss" in (run / "report.html").read_text()

    with threads(core_count()):  # as the search had, and a command has; these tests have one
        repeated = growsearch("run", run / "best.yaml", "--out", tmp_path / "again", "--workers", 1, "--quiet")

    assert repeated.exit_code == 0
    again = tmp_path / "again" / "run" / "seed-0"
    assert (again / "model.safetensors").read_bytes() == (trial / "model.safetensors").read_bytes()
    rows, same = read_lines(trial / "metrics.jsonl"), read_lines(again / "metrics.jsonl")
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in same]
    assert results["trials"][best]["values"] == [rows[-1]["validation_loss"]]


def test_a_search_is_continued_by_resume_and_by_the_same_command(
    growsearch: Run, searched: Any, file: Path, tmp_path: Path
) -> None:
    resumed = growsearch("resume", tmp_path / "run", "--workers", 1)
    more = growsearch("search", file, "--out", tmp_path / "run", "--trials", 4, "--workers", 1, *OVERRIDES)

    assert (resumed.exit_code, more.exit_code) == (0, 0)
    assert "3 of 3 trials are finished already and kept" in resumed.stderr
    assert "[4/4] trial 3" in more.stderr
    assert "as a run file" in more.stdout


def test_a_search_with_one_worker_goes_on_with_one(growsearch: Run, searched: Any, tmp_path: Path) -> None:
    told = tmp_path / "run" / "environment.json"
    record = json.loads(told.read_text())
    assert record["workers"] == 1

    assert growsearch("resume", tmp_path / "run").exit_code == 0
    assert json.loads(told.read_text())["workers"] == 1

    told.write_text(json.dumps(record | {"cores": core_count() + 1, "workers": 3}))  # of a larger machine
    assert growsearch("resume", tmp_path / "run").exit_code == 0
    assert json.loads(told.read_text())["workers"] == min(core_count(), 3)  # trials


def test_a_worker_joins_a_study(growsearch: Run, searched: Any, tmp_path: Path) -> None:
    journal = tmp_path / "run" / "study.journal"

    joined = growsearch("worker", "--storage", journal, "--study", "space")
    unknown = growsearch("worker", "--storage", journal, "--study", "other")
    nowhere = growsearch("worker", "--storage", tmp_path / "none" / "journal", "--study", "space")

    assert joined.exit_code == 0
    assert "study 'space' is done: 3 trials are finished" in joined.stderr
    assert unknown.exit_code == nowhere.exit_code == 2
    assert "there is no study 'other' (allowed space)" in unknown.stderr
    assert "there is no folder" in nowhere.stderr


def test_a_changed_file_is_refused_with_what_differs(
    growsearch: Run, searched: Any, file: Path, tmp_path: Path
) -> None:
    result = growsearch("search", file, "--out", tmp_path / "run", "--set", "growth.budget.width=3.0", *OVERRIDES)

    assert result.exit_code == 2
    assert "growth.budget.width differs" in result.stderr


def test_a_search_in_which_nothing_can_be_chosen_says_why(growsearch: Run, file: Path, tmp_path: Path) -> None:
    limits = "search.constraints=[{seconds: {max: 1e-6}}]"
    options = ["--trials", 1, "--workers", 1, "--set", limits, *OVERRIDES]

    result = growsearch("search", file, "--out", tmp_path / "run", *options)

    assert result.exit_code == 3
    assert "no trial keeps the constraints; trial 0 is the nearest, and breaks seconds.max by" in result.stderr


def test_a_dry_run_shows_trials_with_their_sizes_and_times(growsearch: Run, file: Path, tmp_path: Path) -> None:
    result = growsearch("search", file, "--dry-run", "--json", "--out", tmp_path / "run")

    plan = json.loads(result.stdout)
    assert result.exit_code == 0
    assert not (tmp_path / "run").exists()
    assert {"small", "big", "random", "drawn 1"} <= set(plan["examples"])
    assert plan["examples"]["random"]["budget_parameters"] == plan["examples"]["big"]["parameters"] == 610
    assert plan["seconds_per_trial"] > 0
    assert "growth.when.interval.every" in plan["parameters"]


def test_a_dry_run_for_people(growsearch: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.cli.search_plan._seconds", lambda *_: 5.0)
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))

    result = growsearch("search", file, "--dry-run")

    assert "8 trials to minimize validation_loss; sampler tpe, pruner none; about 5 s a trial" in " ".join(
        result.stdout.split()
    )


def test_the_loaded_space_keeps_its_ranges(file: Path) -> None:
    assert len(load_space(file).ranges) == 3

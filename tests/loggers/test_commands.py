"""`--log` with run, compare, search and resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from growsearch.loggers import observers
from tests.cli.conftest import Run
from tests.cli.conftest import growsearch as command
from tests.config.conftest import PLAIN
from tests.config.test_ranges import OPEN

program = command

QUICK = ("--device", "cpu", "--workers", 1, "--quiet")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(PLAIN + "policies: {still: {growth: {when: never}}, grown: {}}\nseeds: 2\n")
    return path


def logged(folder: Path) -> dict[str, list[int]]:
    """Steps of the rows by run, below a folder."""
    found = {}
    for path in sorted(folder.glob("**/events.out.tfevents.*")):
        accumulator: Any = EventAccumulator(str(path), purge_orphaned_data=False)
        steps = [one.step for one in accumulator.Reload().Scalars("train_loss")]
        found[str(path.parent.relative_to(folder))] = steps
    return found


def test_every_run_of_a_comparison_is_logged_in_its_folder(program: Run, tmp_path: Path, file: Path) -> None:
    result = program("compare", file, "--out", tmp_path / "run", *QUICK, "--log", "tensorboard")

    assert result.exit_code == 0, result.stderr
    assert logged(tmp_path / "run") == {
        f"{policy}/seed-{seed}": [35, 70] for policy in ("grown", "still") for seed in (0, 1)
    }


def test_one_run_is_logged_and_its_configuration_does_not_say_so(program: Run, tmp_path: Path, file: Path) -> None:
    arguments = ("run", file, "--policy", "grown", "--out", tmp_path / "run", "--seeds", 1, *QUICK)

    assert program(*arguments, "--log", "tensorboard").exit_code == 0

    assert list(logged(tmp_path / "run")) == ["grown/seed-0"]
    assert "tensorboard" not in (tmp_path / "run" / "config.yaml").read_text()
    assert program(*arguments).exit_code == 0  # the same run, which is finished


def test_trials_of_a_search_are_logged_also_after_a_resume(program: Run, tmp_path: Path) -> None:
    space = tmp_path / "open.yaml"
    space.write_text(OPEN + "search: {budget: {trials: 2}, baselines: false, pruner: none}\n")
    out = tmp_path / "run"

    first = program("search", space, "--out", out, *QUICK, "--log", "tensorboard", "--set", "training.epochs=1")
    config = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump(config | {"search": {**config["search"], "budget": {"trials": 3}}}))
    resumed = program("resume", out, *QUICK, "--log", "tensorboard")

    assert (first.exit_code, resumed.exit_code) == (0, 0), first.stderr + resumed.stderr
    assert logged(out) == {f"trials/{number}/seed-0": [35] for number in range(3)}


def test_a_worker_logs_the_trials_that_it_takes(program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def join(*arguments: Any) -> int:
        given.extend(arguments)
        return 0

    monkeypatch.setattr("growsearch.search.join.join", join)

    result = program("worker", "--storage", "study.journal", "--study", "name", "--log", "tensorboard")

    assert result.exit_code == 0, result.stderr
    assert given[-1].keywords == {"loggers": ("tensorboard",)}


@pytest.mark.parametrize("name", ["run", "compare", "search"])
def test_an_unknown_logger_and_a_missing_extra_are_refused_before_anything_runs(
    program: Run, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "search":
        file.write_text(OPEN)
    arguments = (name, file, "--out", tmp_path / "run", *QUICK, *(("--policy", "still") if name == "run" else ()))

    unknown = program(*arguments, "--log", "tensorbord")
    monkeypatch.setattr(observers, "find_spec", lambda package: None)
    absent = program(*arguments, "--log", "mlflow")

    assert (unknown.exit_code, absent.exit_code) == (2, 2)
    assert "unknown logger 'tensorbord': allowed are mlflow, tensorboard (did you mean" in unknown.stderr
    assert 'pip install "growsearch[mlflow]"' in absent.stderr
    assert not (tmp_path / "run").exists()

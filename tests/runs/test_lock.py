from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from growsearch.audit import summarize
from growsearch.comparison import compare
from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.runs import lock
from growsearch.runs.lock import Holder, held
from growsearch.training import run_one
from tests.audit.conftest import trained
from tests.audit.test_branches import audited
from tests.cli.conftest import Run
from tests.config.conftest import PLAIN

FILE = "lock.json"


def hold(folder: Path, ready: Connection[Any, Any]) -> None:
    """Main function of another process that holds a folder until it is killed."""
    with held(folder):
        ready.send(os.getpid())
        threading.Event().wait()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[BaseProcess]:
    """Another process, which holds `tmp_path / "run"`."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=hold, args=(tmp_path / "run", there), daemon=True)
    process.start()
    assert here.recv() == process.pid
    yield process
    process.kill()
    process.join()


def test_the_second_is_told_who_holds_the_folder_until_the_holder_is_killed(tmp_path: Path, other: BaseProcess) -> None:
    with (
        pytest.raises(InputError, match=rf"run: is in use by process {other.pid} on .*, since 20.*: wait for it"),
        held(tmp_path / "run"),
    ):
        pass

    os.kill(other.pid or 0, signal.SIGKILL)
    other.join()
    assert (tmp_path / "run" / FILE).exists()

    with held(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / FILE).read_text())["process"] == os.getpid()


def test_a_folder_is_free_afterwards_whatever_happened(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path / "run"):
        raise ZeroDivisionError

    with held(tmp_path / "run"), pytest.raises(InputError, match="in use"), held(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


def test_without_locks_of_the_system_a_living_holder_counts_and_a_dead_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "flock", None)
    living = replace(Holder.this_process(), process=os.getppid())
    (tmp_path / FILE).write_text(json.dumps(asdict(living)))
    with pytest.raises(InputError, match=f"process {os.getppid()}"), held(tmp_path):
        pass

    (tmp_path / FILE).write_text(json.dumps(asdict(replace(living, host="another machine"))))
    with pytest.raises(InputError, match="on another machine"), held(tmp_path):
        pass

    gone = multiprocessing.get_context("fork").Process(target=os._exit, args=(0,))
    gone.start()
    gone.join()
    (tmp_path / FILE).write_text(json.dumps(asdict(replace(living, process=gone.pid or 0))))
    with held(tmp_path):
        pass


def test_two_trainings_in_one_folder_are_not_made_at_once(
    comparison: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.training.one_run._PATIENCE", 0.1)
    config = comparison().policy_configs()["zero"]

    with held(tmp_path), pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
        run_one(config, 0, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == []
    run_one(config, 0, tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_folder_is_waited_for(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(held(tmp_path))
        threading.Timer(0.1, stack.pop_all().close).start()

        with held(tmp_path, patience=20):
            pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="run: cannot be written: Not a directory"), held(tmp_path / "file" / "run"):
        pass


@pytest.mark.parametrize("command", ["run", "search"])
def test_a_second_command_in_a_folder_ends_with_two(growsearch: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(PLAIN if command == "run" else PLAIN.replace("lr: 0.1", "lr: {type: float, low: 0.1, high: 0.2}"))

    with held(tmp_path / "run"):
        result = growsearch(command, file, "--out", tmp_path / "run")

    assert result.exit_code == 2
    assert f"in use by process {os.getpid()}" in result.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == []


def test_runs_of_one_folder_are_audited_one_after_the_other(tmp_path: Path) -> None:
    target = trained(tmp_path / "run")

    with held(target.folder / "audit"):
        for audit in (lambda: audited(target), lambda: summarize(target, "cpu")):
            with pytest.raises(InputError, match="audit: is in use by"):
                audit()


def test_a_comparison_holds_its_folder_while_it_runs(comparison: Callable[..., RunConfig], tmp_path: Path) -> None:
    seen: list[str] = []

    def second(told: object) -> None:
        with pytest.raises(InputError, match="in use") as caught:
            compare(comparison(seeds=1), tmp_path, "cpu", 1)
        seen.append(str(caught.value))

    compare(comparison(seeds=1), tmp_path, "cpu", 1, second)

    assert seen
    assert not (tmp_path / FILE).exists()

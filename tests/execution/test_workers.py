"""Real processes: slow to start, so few tests."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.execution.job import Job
from growsearch.execution.workers import _end_with_parent, _start, run_jobs
from growsearch.runs.events import RunFailed, RunFinished, RunStarted
from growsearch.runs.layout import FAILURE
from growsearch.runs.lock import held
from growsearch.training import finished_result
from tests.watching import Told, is_kind, of_kind

DEADLY = """
import os, signal
from torch import nn

def network():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def jobs(comparison: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Three good runs, and a first one that kills its process."""
    (tmp_path / "deadly_network.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = comparison().policy_configs()["zero"]
    deadly = config.model_copy(update={"network": {"name": "deadly_network:network"}, "allow_import": True})
    return [
        Job("deadly", 0, deadly, tmp_path / "deadly" / "seed-0", "cpu"),
        *(Job("zero", seed, config, tmp_path / "zero" / f"seed-{seed}", "cpu") for seed in range(3)),
    ]


def test_a_process_that_dies_takes_only_its_run_with_it(jobs: list[Job]) -> None:
    events: list[Told] = []

    failures = run_jobs(jobs, workers=2, threads=1, watch=events.append)

    assert [(failure.policy, failure.seed) for failure in failures] == [("deadly", 0)]
    assert "killed by SIGKILL" in failures[0].reason
    assert all(finished_result(job.folder, job.config, job.seed) for job in jobs[1:])
    assert {told.seed for told in of_kind(events, RunFinished)} == {0, 1, 2}
    assert [told.policy for told in of_kind(events, RunFailed)] == ["deadly"]


def test_a_worker_whose_parent_is_gone_ends_without_a_word(jobs: list[Job], capfd: pytest.CaptureFixture[str]) -> None:
    worker = _start(1)
    worker.connection.send(jobs[1])
    assert is_kind(worker.connection.recv(), RunStarted)

    worker.connection.close()

    worker.process.join(60)
    assert worker.process.exitcode == 1
    assert capfd.readouterr().err == ""
    assert not (jobs[1].folder / FAILURE).exists()


def orphan(folder: Path, told: Connection[Any, Any]) -> None:
    """Main function of a worker that holds a folder and would go on for long."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with held(folder):
        told.send(os.getpid())
        time.sleep(600)


def parent(folder: Path, told: Connection[Any, Any]) -> None:
    """Main function of a parent that is killed."""
    multiprocessing.get_context("fork").Process(target=orphan, args=(folder, told)).start()
    time.sleep(600)


def test_a_worker_whose_parent_is_killed_ends_at_once_and_its_run_is_free(tmp_path: Path) -> None:
    """It would write into the folder of a run that another command goes on with."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=parent, args=(tmp_path, there))
    process.start()
    worker = here.recv()
    with pytest.raises(InputError, match=f"in use by process {worker}"), held(tmp_path):
        pass

    process.kill()
    process.join()

    with held(tmp_path, patience=60):
        pass


def test_an_interrupt_ends_the_workers(jobs: list[Job]) -> None:
    def interrupt(told: Told) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs[1:3], workers=2, threads=1, watch=interrupt)

    assert multiprocessing.active_children() == []

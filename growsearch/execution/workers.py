"""Runs in parallel processes: a process that dies takes one run with it, and an interrupt ends them all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from growsearch.execution.job import Failure, Job, OfRun, Watcher, execute, report_failures
from growsearch.execution.waiting import Waiting
from growsearch.training.exits import exit_words

_PATIENCE = 5.0  # seconds that a terminated process is given before it is killed


@dataclass(frozen=True)
class _Outcome:
    """Last message of a job."""

    failure: Failure | None


@dataclass
class _Worker:
    """A process that runs one job after the other."""

    process: SpawnProcess
    connection: Connection[Any, Any]
    job: Job | None = None

    def next_message(self) -> OfRun | _Outcome | None:
        """What the process says next; None when it has died."""
        try:
            message: OfRun | _Outcome = self.connection.recv()
        except (EOFError, ConnectionError):
            return None
        return message

    def stop(self) -> int | None:
        """End the process, whatever it does; its exit code."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def run_jobs(jobs: Sequence[Job], workers: int, threads: int, watch: Watcher) -> list[Failure]:
    """Run all jobs, in their order, `workers` at a time with `threads` CPU threads each; the failures are returned.

    Processes are spawned, never forked: CUDA and thread pools do not survive a fork. Every event of every run is
    handed to `watch` in this process. Any exception, `KeyboardInterrupt` included, ends the workers.

    Args:
        jobs: in the order in which they begin.
        workers: how many run at a time.
        threads: CPU threads of each.
        watch: is handed every event of every run.
    """
    waiting = Waiting(jobs)
    failures: list[Failure] = []
    staff: list[_Worker] = []
    try:
        while waiting or any(worker.job for worker in staff):
            _hand_out(waiting, staff, workers, threads)
            ready = wait([worker.connection for worker in staff if worker.job])
            for worker in [worker for worker in staff if worker.connection in ready]:
                failures += _listen(worker, staff, waiting, watch)
    finally:
        for worker in staff:
            worker.stop()
    return failures


def _hand_out(waiting: Waiting, staff: list[_Worker], workers: int, threads: int) -> None:
    """Give a job to every worker that has none, and start workers while there are jobs for them."""
    while any(worker.job is None for worker in staff) or len(staff) < workers:
        job = waiting.take()
        if job is None:
            return
        free = next((worker for worker in staff if worker.job is None), None)
        if free is None:
            free = _start(threads)
            staff.append(free)
        free.job = job
        with suppress(ConnectionError):  # where it has just died, reading from it will tell
            free.connection.send(job)


def _start(threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, threads), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _listen(worker: _Worker, staff: list[_Worker], waiting: Waiting, watch: Watcher) -> list[Failure]:
    """Take one message from a worker; the failure that it reports or is, and those of the jobs that needed its job."""
    job, message = worker.job, worker.next_message()
    assert job is not None
    if isinstance(message, OfRun):
        watch(message)
        return []
    if message is None:
        staff.remove(worker)
        worker.process.join(_PATIENCE)
        reason = f"its process died ({exit_words(worker.stop())})"
        failure: Failure | None = Failure(job.policy, job.seed, reason)
    else:
        worker.job = None
        failure = message.failure
    return report_failures(waiting.done(job, failure), watch)


def _work(connection: Connection[Any, Any], threads: int) -> None:
    """Main function of a worker: run what comes until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends this process
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job: Job = connection.recv()
        except (EOFError, ConnectionError):
            return
        tell = _telling(connection)
        tell(_Outcome(execute(job, tell)))


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone: another command may go on with its run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _telling(connection: Connection[Any, Any]) -> Callable[[Any], None]:
    """Send to the other side; where that is gone, as a killed parent is, the process ends without a word."""

    def tell(message: Any) -> None:
        try:
            connection.send(message)
        except ConnectionError:
            raise SystemExit(1) from None

    return tell

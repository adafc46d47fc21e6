"""Workers on this machine: started, watched, replaced when they die, and ended together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

import torch

from growsearch.errors import CannotWrite, GrowsearchError
from growsearch.execution.signals import terminated_as_interrupted
from growsearch.search.device_slots import DeviceSlot
from growsearch.search.leases import Watch
from growsearch.search.queue import finished
from growsearch.search.race import is_over
from growsearch.search.study import Reference, Study, open_study
from growsearch.search.trial import Train, train_for_search
from growsearch.search.worker import work
from growsearch.training.fork_server import forking

_IMPORTED = ("__main__", __name__, "torch._dynamo")  # the last: what optimizers import at their first step
_LOOK = 0.5  # seconds
_PATIENCE = 30.0  # seconds for a worker to write its checkpoint when it is told to stop
_ATTEMPTS = 10  # to start a process
_FRUITLESS = 5  # losses in a row for each worker, without a finished trial between them


@dataclass(frozen=True)
class WorkerPool:
    """How the local workers are to work."""

    reference: Reference
    slots: Sequence[DeviceSlot]
    threads: int
    train: Train = train_for_search


@dataclass
class _Member:
    process: BaseProcess
    connection: Connection[Any, Any]


def run_workers(pool: WorkerPool, study: Study, watch: Callable[[], None]) -> None:
    """Run local workers until the study has nothing left to do.

    A worker that dies is replaced. Any exception, `KeyboardInterrupt` included, tells the workers to stop: they write
    checkpoints and requeue their trials. Raises `GrowsearchError` where they cannot work.
    """
    watching, staff = Watch(study), list[_Member]()
    started, over, losses = len(pool.slots), _finished(study), 0
    try:
        with terminated_as_interrupted():
            staff += (_start(pool, number) for number in range(started))
            while not is_over(study):
                over, losses = _progress(study, over, losses)
                dead = [number for number, member in enumerate(staff) if not member.process.is_alive()]
                for number in dead if not is_over(study) else ():
                    losses += 1
                    _require_hope(staff[number], losses, pool)
                    staff[number] = _start(pool, started)
                    started += 1
                watching.requeue_abandoned() if dead else watching.look_now_and_then()
                watch()
                time.sleep(_LOOK)
    finally:
        _end(staff)
    watch()


def _progress(study: Study, over: int, losses: int) -> tuple[int, int]:
    """Finished trials, and the workers that were lost since the last of them."""
    now = _finished(study)
    return now, losses if now == over else 0


def _finished(study: Study) -> int:
    """Trials and runs of the race that are over."""
    race = study.race()
    return len(finished(study.trials())) + (len(finished(race.trials())) if race else 0)


def _start(pool: WorkerPool, number: int) -> _Member:
    """Start a process; again where the server that forks it dies meanwhile: another one is started once it is gone."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(EOFError, ConnectionError):
            return _started(pool, number)
        time.sleep(_LOOK)
    return _started(pool, number)


def _started(pool: WorkerPool, number: int) -> _Member:
    context = forking(_IMPORTED)
    here, there = context.Pipe(duplex=False)
    slot = pool.slots[number % len(pool.slots)]
    process = context.Process(target=_main, args=(pool, slot, there), daemon=True)
    with there:
        process.start()
    return _Member(process, here)


def _require_hope(member: _Member, losses: int, pool: WorkerPool) -> None:
    """Raise where it is of no use to replace a worker that has ended."""
    try:
        problem = member.connection.recv() if member.connection.poll() else None
    except (EOFError, OSError):
        problem = None
    if problem is not None:
        unwritable, reason = problem
        raise (CannotWrite if unwritable else GrowsearchError)(reason)
    if losses > _FRUITLESS * len(pool.slots):
        code = member.process.exitcode
        raise GrowsearchError(
            f"{losses} workers ended one after the other without finishing a trial (exit code {code})"
        )


def _end(staff: list[_Member]) -> None:
    """Tell the workers to stop, wait, and kill those that do not."""
    for member in staff:
        member.process.terminate()
    until = time.monotonic() + _PATIENCE
    for member in staff:
        member.process.join(max(0.0, until - time.monotonic()))
        if member.process.is_alive():
            member.process.kill()
            member.process.join()
        member.connection.close()


def _main(pool: WorkerPool, slot: DeviceSlot, problems: Connection[Any, Any]) -> None:
    """Main function of a worker process: it ends when there is nothing to do, when told to, or with its parent."""
    torch.set_num_threads(pool.threads)
    stop = stopped_by_signals()
    threading.Thread(target=_follow_parent, args=(stop,), daemon=True).start()
    try:
        slot.enter()
        work(open_study(pool.reference), slot.device, stop, pool.train)
    except GrowsearchError as error:
        problems.send((isinstance(error, CannotWrite), str(error)))
        raise SystemExit(3) from error


def _follow_parent(stop: threading.Event) -> None:
    """Stop where the parent ends, or the server that has forked this process: the parent takes it for dead then."""
    parent, above = multiprocessing.parent_process(), os.getppid()
    if parent is not None:
        while parent.is_alive() and os.getppid() == above:
            parent.join(_LOOK)
        stop.set()


def stopped_by_signals() -> threading.Event:
    """An event that is set when the process is interrupted or told to end; a second interrupt ends it at once.

    The handler itself does not set it: setting takes the event's lock, which the code that the signal interrupts may
    hold, the handler of an earlier signal included (Ctrl-C and the parent's SIGTERM come within a moment). Then the
    worker would stand still, with its trial. Putting into a `SimpleQueue` is safe there.
    """
    stop, told = threading.Event(), SimpleQueue[int]()

    def ask(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        told.put(number)

    def heed() -> None:
        told.get()
        stop.set()

    threading.Thread(target=heed, daemon=True).start()
    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return stop

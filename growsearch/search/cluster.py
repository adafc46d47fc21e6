"""Workers of a search on the nodes of a Ray cluster: as many as the nodes take, while these join and leave."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from growsearch.errors import GrowsearchError
from growsearch.execution.cluster import Connection
from growsearch.execution.cluster.connection import Need
from growsearch.execution.cluster.guest import Outcome, Setting, arrived, surroundings
from growsearch.execution.signals import terminated_as_interrupted
from growsearch.search.leases import Watch
from growsearch.search.queue import finished
from growsearch.search.race import is_over
from growsearch.search.study import Reference, Study, open_study
from growsearch.search.trial import Train
from growsearch.search.worker import work
from growsearch.training.threads import threads

_LOOK = 1.0  # seconds
_NODES = 5.0  # seconds between two looks at which nodes there are
_PATIENCE = 60.0  # seconds for workers to write their checkpoints when they are told to stop
_FRUITLESS = 5  # workers lost in a row for each slot, without a finished trial between them


class Flag:
    """An actor beside the driver that workers look at: they stop where it is up, or gone with the driver."""

    def __init__(self) -> None:
        self._up = False
        self._at_work: set[int] = set()

    def enter(self, number: int) -> bool:
        """Whether a worker may begin."""
        if not self._up:
            self._at_work.add(number)
        return not self._up

    def raise_(self) -> set[int]:
        """Tell workers to stop, and no others to begin; those that had begun are returned."""
        self._up = True
        return self._at_work

    def is_up(self) -> bool:
        """Whether workers are to stop."""
        return self._up


@dataclass(frozen=True)
class ClusterCrew:
    """How workers on a cluster are to work: `most` of them, where that is given, each with what it needs of a node."""

    connection: Connection
    need: Need
    reference: Reference
    train: Train
    most: int | None = None


def run_on_cluster(crew: ClusterCrew, study: Study, watch: Callable[[], None]) -> dict[str, str]:
    """Keep workers on all nodes until the study has nothing left to do; the nodes by name, with their hardware.

    One that dies is replaced; its trial is gone on with when its lease has run out, on the driver's machine at once.
    Any exception, `KeyboardInterrupt` included, tells the workers to stop: they write checkpoints and requeue their
    trials. Raises `GrowsearchError` where they cannot work.
    """
    with surroundings(study.folder) as setting:
        staff = _Staff(crew, setting, study)
        try:
            with terminated_as_interrupted():
                while not is_over(study):
                    staff.look()
                    watch()
        finally:
            staff.end()
        watch()
    return staff.used


class _Staff:
    """The workers that were started, in Ray's queue or at work."""

    def __init__(self, crew: ClusterCrew, setting: Setting, study: Study) -> None:
        ray = crew.connection.ray
        self._crew, self._setting, self._study = crew, setting, study
        self._flag = ray.remote(Flag).options(num_cpus=0, scheduling_strategy=crew.connection.beside_driver()).remote()
        self._task = ray.remote(**crew.need.options, max_retries=0, max_calls=1)(_be_worker)
        self._workers: dict[Any, int] = {}
        self._count = 0
        self._watching = Watch(study)
        self._losses, self._over = 0, 0
        self._wanted, self._looked = 0, -math.inf
        self.used: dict[str, str] = {}

    def look(self) -> None:
        """Take note of workers that have ended, and start as many as there is room for; lasts a second or less."""
        self._size_up()
        while len(self._workers) < self._wanted:
            task = self._task.options(label_selector=self._crew.connection.selector())
            self._count += 1
            worker = task.remote(
                self._count, self._crew.reference, self._setting, self._crew.need, self._crew.train, self._flag
            )
            self._workers[worker] = self._count
        if not self._workers:
            time.sleep(_LOOK)
            return
        ended, _ = self._crew.connection.ray.wait(list(self._workers), num_returns=1, timeout=_LOOK)
        for one in ended:
            del self._workers[one]
            self._take(one)
        self._watching.requeue_abandoned() if ended else self._watching.look_now_and_then()

    def end(self) -> None:
        """Tell all to stop, and give those at work time for a checkpoint; those that need longer end by themselves."""
        ray = self._crew.connection.ray
        begun = ray.get(self._flag.raise_.remote())
        if at_work := [worker for worker, number in self._workers.items() if number in begun]:
            ray.wait(at_work, num_returns=len(at_work), timeout=_PATIENCE)

    def _size_up(self) -> None:
        """How many workers there are to be: as many as the nodes take that are there now."""
        now = time.monotonic()
        if now - self._looked < _NODES:
            return
        self._looked = now
        slots = self._crew.connection.slots(self._crew.need)
        self._wanted = slots if self._crew.most is None else min(slots, self._crew.most)
        self._crew.connection.warn_of_lack(self._crew.need)

    def _take(self, worker: Any) -> None:
        connection = self._crew.connection
        reason = "its process or its node died"
        try:
            outcome: Outcome = connection.ray.get(worker)
        except connection.ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            reason = lines[-1] if isinstance(error, connection.ray.exceptions.RayTaskError) and lines else reason
        else:
            if outcome.unfit is not None:
                connection.exclude(outcome.node, outcome.host, outcome.unfit, self._crew.need)
            self.used[outcome.host] = outcome.hardware
            return
        over = len(finished(self._study.trials()))
        self._losses = self._losses + 1 if over == self._over else 1
        self._over = over
        if self._losses > _FRUITLESS * max(1, self._wanted):
            raise GrowsearchError(
                f"{self._losses} workers ended one after the other without finishing a trial, the last: {reason}"
            )


def _be_worker(number: int, reference: Reference, setting: Setting, need: Need, train: Train, flag: Any) -> Outcome:
    """Main function of a worker: it ends when there is nothing to do, or when told to.

    Args:
        number: of the worker.
        reference: the study.
        setting: the driver's.
        need: what it has of the node; less than a GPU is that share of its memory too.
        train: trains one seed.
        flag: tells when to stop.
    """
    import ray

    outcome = arrived(setting)
    if outcome.unfit is not None or not ray.get(flag.enter.remote(number)):
        return outcome
    stop = threading.Event()
    threading.Thread(target=_heed, args=(flag, stop), daemon=True).start()
    if 0 < need.gpus < 1:
        torch.cuda.set_per_process_memory_fraction(need.gpus)
    with threads(need.cpus):
        work(open_study(reference), "cuda" if need.gpus else "cpu", stop, train)
    return outcome


def _heed(flag: Any, stop: threading.Event) -> None:
    """Set `stop` when the flag is up, or cannot be seen any more; what does not heed that is ended."""
    import ray

    while not stop.is_set():
        time.sleep(_LOOK)
        try:
            if ray.get(flag.is_up.remote(), timeout=_PATIENCE):
                stop.set()
        except ray.exceptions.RayError:
            stop.set()
    time.sleep(_PATIENCE)
    os._exit(1)

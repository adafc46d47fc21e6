"""Workers of a search on the nodes of a Ray cluster: as many as the nodes take, while these join and leave."""

from __future__ import annotations

import math
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

    def raise_(self) -> None:
        """Tell workers to stop."""
        self._up = True

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
        self._workers: list[Any] = []
        self._watching = Watch(study)
        self._losses, self._over = 0, 0
        self._wanted, self._looked = 0, -math.inf
        self.used: dict[str, str] = {}

    def look(self) -> None:
        """Take note of workers that have ended, and start as many as there is room for; lasts a second or less."""
        self._size_up()
        while len(self._workers) < self._wanted:
            task = self._task.options(label_selector=self._crew.connection.selector())
            crew = self._crew
            self._workers.append(
                task.remote(crew.reference, self._setting, crew.need.cpus, crew.need.gpus, crew.train, self._flag)
            )
        if not self._workers:
            time.sleep(_LOOK)
            return
        ended, self._workers = self._crew.connection.ray.wait(self._workers, num_returns=1, timeout=_LOOK)
        for one in ended:
            self._take(one)
        self._watching.requeue_abandoned() if ended else self._watching.look_now_and_then()

    def end(self) -> None:
        """Tell all to stop, give them time for a checkpoint, and end those that do not."""
        ray = self._crew.connection.ray
        ray.get(self._flag.raise_.remote())
        ray.wait(self._workers, num_returns=len(self._workers), timeout=_PATIENCE) if self._workers else None
        for one in self._workers:
            ray.cancel(one, force=True)

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


def _be_worker(reference: Reference, setting: Setting, count: int, share: float, train: Train, flag: Any) -> Outcome:
    """Main function of a worker: it ends when there is nothing to do, or when told to.

    Args:
        reference: the study.
        setting: the driver's.
        count: of CPU threads.
        share: of a GPU, and of its memory; 0 for the CPU.
        train: trains one seed.
        flag: tells when to stop.
    """
    outcome = arrived(setting)
    if outcome.unfit is not None:
        return outcome
    stop = threading.Event()
    threading.Thread(target=_heed, args=(flag, stop), daemon=True).start()
    if 0 < share < 1:
        torch.cuda.set_per_process_memory_fraction(share)
    with threads(count):
        work(open_study(reference), "cuda" if share else "cpu", stop, train)
    return outcome


def _heed(flag: Any, stop: threading.Event) -> None:
    """Set `stop` when the flag is up, or cannot be seen any more."""
    import ray

    while not stop.wait(_LOOK):
        try:
            if ray.get(flag.is_up.remote(), timeout=_PATIENCE):
                stop.set()
        except ray.exceptions.RayError:
            stop.set()

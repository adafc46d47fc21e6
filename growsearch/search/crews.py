"""Who works on a search: this process, several of this machine, or the nodes of a cluster."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from growsearch.config import SearchConfig
from growsearch.errors import InputError
from growsearch.execution.cluster import Connection
from growsearch.execution.cluster.connection import Need
from growsearch.execution.environment import core_count, describe_environment
from growsearch.runs.environment import Environment
from growsearch.search.cluster import ClusterCrew, run_on_cluster
from growsearch.search.device_slots import device_slots
from growsearch.search.local import WorkerPool, run_workers, stopped_by_signals
from growsearch.search.race import is_over
from growsearch.search.study import Reference, Study
from growsearch.search.trial import Train
from growsearch.search.worker import work
from growsearch.training.precision import resolve_device
from growsearch.training.threads import threads


class Here:
    """Workers of this machine."""

    used: Mapping[str, str] = {}

    def __init__(self, device: str, workers: int | None, slots: int | None, settings: SearchConfig) -> None:
        self._device = device
        self._slots = device_slots(device, workers, slots)[: settings.whole.trials]
        self._threads = max(1, core_count() // len(self._slots))

    def environment(self, seeds: int) -> Environment:
        """What the workers are, for the record."""
        return describe_environment(self._slots[0].device, len(self._slots), self._threads, seeds)

    def run(self, study: Study, reference: Reference, train: Train, tell: Callable[..., None]) -> None:
        """Work until the study has nothing left to do; `tell` is called now and then.

        Args:
            study: with its run folder.
            reference: to it, for other processes.
            train: trains one seed.
            tell: is called now and then.
        """
        if len(self._slots) == 1:
            _work_here(study, str(resolve_device(self._device)), self._threads, train, tell)
        elif not is_over(study):
            run_workers(WorkerPool(reference, self._slots, self._threads, train), study, tell)


class OnNodes:
    """Workers on the nodes of a cluster."""

    def __init__(self, connection: Connection, device: str, workers: int | None, slots: int | None) -> None:
        if slots is not None and (workers is not None or device == "cpu"):
            why = "and the cluster's are not used" if workers is None else "--workers is the number in all"
            raise InputError(f"--slots are for each GPU, {why}: give one of --workers and --slots")
        self._connection, self._device, self._most = connection, device, workers
        self._need = Need(cpus=1, gpus=0.0 if device == "cpu" else 1 / (slots or 1))
        self.used: Mapping[str, str] = {}

    def environment(self, seeds: int) -> Environment:
        """What the workers are, for the record."""
        count = max(1, self._connection.slots(self._need))
        count = min(count, self._most or count)
        return describe_environment(self._device, count, self._need.cpus, seeds, nodes=self.used)

    def run(self, study: Study, reference: Reference, train: Train, tell: Callable[..., None]) -> None:
        """Work until the study has nothing left to do; `tell` is called now and then.

        Args:
            study: with its run folder.
            reference: to it, for other processes.
            train: trains one seed.
            tell: is called now and then.
        """
        if not is_over(study):
            crew = ClusterCrew(self._connection, self._need, reference, train, self._most)
            self.used = run_on_cluster(crew, study, tell)


def _work_here(study: Study, device: str, count: int, train: Train, tell: Callable[..., None]) -> None:
    """Be the only worker, with `count` threads; an interrupt ends the trial at its next step, with a checkpoint."""
    with threads(count), _interruptible() as stop:
        work(study, device, stop, train, lambda: tell(False))
        if stop.is_set():
            raise KeyboardInterrupt


@contextmanager
def _interruptible() -> Generator[threading.Event]:
    """An event that an interrupt sets, while inside; only the main thread hears of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield threading.Event()
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped_by_signals()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

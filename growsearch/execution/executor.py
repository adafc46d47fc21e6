"""Where jobs run: in this process, in several of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from growsearch.errors import InputError
from growsearch.execution.cluster import Cluster, Connection, connected
from growsearch.execution.cluster.attempts import Crew
from growsearch.execution.cluster.connection import Need
from growsearch.execution.cluster.guest import surroundings
from growsearch.execution.job import Failure, Job, Watcher, execute, report_failures
from growsearch.execution.waiting import Waiting
from growsearch.execution.workers import run_jobs
from growsearch.training.precision import resolve_device
from growsearch.training.threads import threads


class Executor(Protocol):
    """Runs jobs, `workers` at a time as far as it is known now, each with `threads` CPU threads."""

    @property
    def workers(self) -> int: ...

    @property
    def threads(self) -> int: ...

    def run(self, jobs: Sequence[Job], watch: Watcher) -> list[Failure]:
        """Run all jobs in their order, those that others wait for before them; the failures are returned."""

    def nodes(self) -> Mapping[str, str]:
        """The machines of a cluster on which runs computed by now, each with its hardware in words."""


@dataclass(frozen=True)
class Local:
    """Processes of this machine, which train each run in `devices` processes; one worker is this process."""

    workers: int
    threads: int
    devices: int = 1

    def run(self, jobs: Sequence[Job], watch: Watcher) -> list[Failure]:
        """See `Executor.run`."""
        if self.workers > 1:
            return run_jobs(jobs, self.workers, self.threads, watch)
        waiting, failures = Waiting(jobs), list[Failure]()
        with threads(self.threads * self.devices):
            while (job := waiting.take()) is not None:
                failures += report_failures(waiting.done(job, execute(job, watch)), watch)
        return failures

    def nodes(self) -> Mapping[str, str]:
        """See `Executor.nodes`."""
        return {}


@dataclass
class OnCluster:
    """Processes on the nodes of a cluster, one for each run, which share the folder; `most` at a time."""

    connection: Connection
    folder: Path
    need: Need
    most: int | None = None

    def __post_init__(self) -> None:
        self._used: dict[str, str] = {}

    @property
    def workers(self) -> int:
        """See `Executor`: as many as the nodes take that are there now."""
        slots = max(1, self.connection.slots(self.need))
        return slots if self.most is None else min(slots, self.most)

    @property
    def threads(self) -> int:
        """See `Executor`."""
        return self.need.cpus

    def run(self, jobs: Sequence[Job], watch: Watcher) -> list[Failure]:
        """See `Executor.run`."""
        with surroundings(self.folder) as setting:
            crew = Crew(self.connection, setting, self.need, watch, self.most)
            try:
                return crew.run(jobs)
            finally:
                self._used |= crew.used

    def nodes(self) -> Mapping[str, str]:
        """See `Executor.nodes`."""
        return self._used


@contextmanager
def ground(cluster: Cluster | None, device: str, devices: int = 1) -> Generator[tuple[Connection | None, str]]:
    """The cluster, connected to while inside, None for this machine; and where runs compute there.

    Raises `InputError` where the cluster or the device is not there.
    """
    if cluster is None:
        yield None, str(resolve_device(device))
        return
    if devices > 1:
        raise InputError(
            f"--devices {devices} with --executor ray: on a cluster each run is trained on one device: leave one out"
        )
    with connected(cluster) as connection:
        yield connection, connection.device(device)


def needed(connection: Connection, device: str, runs: int, recorded: int = 0) -> Need:
    """What each of so many runs needs of a node: a GPU and a core, or the cores that the runs leave to each.

    So many threads as are `recorded` of runs in the same folder, where nodes have them: results stay the same bits.

    Args:
        connection: to the cluster.
        device: "cpu" or "cuda".
        runs: that are to be run.
        recorded: CPU threads of earlier runs; 0 where there are none.
    """
    if device != "cpu":
        return Need(cpus=1, gpus=1.0)
    cores, smallest = connection.cores(Need())
    return Need(cpus=max(1, min(recorded or cores // max(1, runs), smallest)))

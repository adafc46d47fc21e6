"""Jobs as attempts on a Ray cluster: again elsewhere where a process or a node dies, each from its checkpoint."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from growsearch.errors import DamageWarning
from growsearch.execution.cluster.connection import Connection, Need
from growsearch.execution.cluster.guest import Began, Mailbox, Outcome, Setting, Told, Warned, attempt
from growsearch.execution.job import Failure, Job, OfRun, Watcher, report_failures
from growsearch.execution.waiting import Waiting
from growsearch.runs.events import RunMoved

MOST_DEATHS = 3  # of the processes of one run
_MOST_LOSSES = 20  # of its nodes
_LOOK = 0.5  # seconds
_NODES = 5.0  # seconds between two looks at which nodes there are
_SPARE = 8  # attempts that wait in Ray's queue beside twice as many as run: more are for nodes that join


@dataclass(frozen=True)
class _Attempt:
    """A job that is to be run, or runs: how often its process and its node died, and where it is not to go again.

    `failed` is how it failed before its first step on another node: one that has it elsewhere has failed.
    """

    number: int
    job: Job
    deaths: int = 0
    losses: int = 0
    avoid: frozenset[str] = frozenset()
    failed: tuple[Outcome, Failure] | None = None


@dataclass
class Crew:
    """Runs jobs on a cluster, `most` at a time, where that is given, each with as many CPU threads as it has cores.

    `used` are the nodes on which runs have ended, by name, with their hardware in words.
    """

    connection: Connection
    setting: Setting
    need: Need
    watch: Watcher
    most: int | None = None
    used: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ray = self.connection.ray
        beside = self.connection.beside_driver()
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=beside).remote()
        self._attempt = ray.remote(**self.need.options, max_retries=0, max_calls=1)(attempt)
        self._running: dict[Any, _Attempt] = {}
        self._places: dict[int, str] = {}
        self._count = 0
        self._limit, self._looked = 0, -_NODES

    def run(self, jobs: Sequence[Job]) -> list[Failure]:
        """Run all jobs in their order, those that others wait for before them; the failures are returned.

        Any exception, `KeyboardInterrupt` included, ends what runs. Raises `GrowsearchError` where no node is of use,
        and `CannotWrite` where the run folder cannot be written.
        """
        ray, waiting, failures, again = self.connection.ray, Waiting(jobs), list[Failure](), list[_Attempt]()
        try:
            while waiting or again or self._running:
                self._look_at_nodes(again)
                self._submit(waiting, again)
                done, _ = ray.wait(list(self._running), num_returns=1, timeout=_LOOK)
                if done:
                    done, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
                self._relay()
                for reference in done:
                    failures += self._ended(reference, waiting, again)
        finally:
            ray.kill(self._mailbox)  # which ends what runs
        return failures

    def _submit(self, waiting: Waiting, again: list[_Attempt]) -> None:
        while len(self._running) < self._limit:
            if again:
                coming = again.pop(0)
            elif (job := waiting.take()) is not None:
                coming = _Attempt(0, job)
            else:
                return
            self._count += 1
            coming = replace(coming, number=self._count)
            task = self._attempt.options(label_selector=self.connection.selector(coming.avoid))
            reference = task.remote(
                coming.number, pickle.dumps(coming.job), self.setting, self.need.cpus, self._mailbox
            )
            self._running[reference] = coming

    def _look_at_nodes(self, again: list[_Attempt]) -> None:
        """See how many attempts there may be, and let those that no node is left for go anywhere."""
        now = time.monotonic()
        if now - self._looked < _NODES and self._limit:
            return
        self._looked = now
        self._limit = self.most or 2 * self.connection.slots(self.need) + _SPARE
        fits = self.connection.fits(self.need)
        self.connection.warn_of_lack(self.need)
        for reference, one in list(self._running.items()):
            stuck = one.number not in self._places and one.avoid and fits and fits <= one.avoid
            if stuck and self.connection.ray.get(self._mailbox.withdraw.remote(one.number)):
                del self._running[reference]
                again.append(replace(one, avoid=frozenset()))

    def _relay(self) -> None:
        """Hand on what runs have told, but for attempts that are over."""
        open_ = {one.number for one in self._running.values()}
        for message in self.connection.ray.get(self._mailbox.take.remote()):
            match message:
                case Began(number, node) if number in open_:
                    self._places[number] = node
                case Told(number, of_run) if number in open_:
                    self.watch(of_run)
                case Warned(words):
                    warnings.warn(words, DamageWarning, stacklevel=2)

    def _ended(self, reference: Any, waiting: Waiting, again: list[_Attempt]) -> list[Failure]:
        """What became of an attempt: it is tried again, or its job is over."""
        errors, one = self.connection.ray.exceptions, self._running.pop(reference)
        place = self._places.pop(one.number, None)
        try:
            outcome: Outcome = self.connection.ray.get(reference)
        except errors.RayError as error:
            return self._lost(one, error, waiting, again)
        if outcome.unfit is not None:
            self.connection.exclude(outcome.node, outcome.host, outcome.unfit, self.need)
            again.insert(0, one)
            return []
        self.used[outcome.host] = outcome.hardware
        return self._over(one, outcome, place or outcome.node, waiting, again)

    def _over(
        self, one: _Attempt, outcome: Outcome, node: str, waiting: Waiting, again: list[_Attempt]
    ) -> list[Failure]:
        """Take the result of an attempt; where it failed before its first step, another node has a try at it."""
        failure = outcome.failure
        early = failure is not None and not outcome.stepped and not failure.tolerated and not failure.unwritable
        if early and one.failed is None and self.connection.fits(self.need) - {node}:
            assert failure is not None
            again.insert(0, replace(one, avoid=frozenset({node}), failed=(outcome, failure)))
            return []
        if not early:
            self.connection.strikes[node] = 0
            if one.failed is not None:
                before, how = one.failed
                self.connection.strike(before.node, before.host, how.reason, self.need)
        return report_failures(waiting.done(one.job, failure), self.watch)

    def _lost(self, one: _Attempt, error: Exception, waiting: Waiting, again: list[_Attempt]) -> list[Failure]:
        """Try again what was lost with its process or its node, up to a number of times."""
        node_died = isinstance(error, self.connection.ray.exceptions.NodeDiedError)
        one = replace(one, deaths=one.deaths + (not node_died), losses=one.losses + node_died)
        words = _words(self.connection, error)
        if one.deaths < MOST_DEATHS and one.losses < _MOST_LOSSES:
            self.watch(OfRun(one.job.policy, one.job.seed, RunMoved(words)))
            again.append(one)
            return []
        count = one.losses if node_died else one.deaths
        failure = Failure(one.job.policy, one.job.seed, f"{words}, {count} times")
        return report_failures(waiting.done(one.job, failure), self.watch)


def _words(connection: Connection, error: Exception) -> str:
    errors = connection.ray.exceptions
    if isinstance(error, errors.NodeDiedError):
        return "its node was lost"
    if isinstance(error, errors.OutOfMemoryError):
        return "its process was ended because its node ran out of memory"
    if isinstance(error, errors.WorkerCrashedError):
        return "its process died"
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"it could not be run on its node ({lines[-1].strip() if lines else type(error).__name__})"

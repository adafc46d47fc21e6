"""One run of a comparison, and what became of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from growsearch.config import RunConfig
from growsearch.errors import CannotWrite, GrowsearchError
from growsearch.execution.trial import estimated_flops, try_growth
from growsearch.runs.events import JobsStarted, Progress, RunEvent, RunFailed
from growsearch.runs.layout import FAILURE
from growsearch.runs.records import RunResult
from growsearch.training import finished_result, run_one
from growsearch.training.setup import set_up
from growsearch.training.several_devices import require_shared
from growsearch.writing import cannot_write, is_full, writing


@dataclass(frozen=True)
class OfRun:
    """What a run tells, with the policy (or control, or branch) and the seed that it is."""

    policy: str
    seed: int
    event: RunEvent | RunFailed


Watcher = Callable[[JobsStarted | OfRun], None]


@dataclass(frozen=True)
class Job:
    """A policy with a seed.

    `cost` is an estimate of its FLOPs, for the order of the jobs; `loggers` are names; so many `devices` train it
    together.
    """

    policy: str
    seed: int
    config: RunConfig
    folder: Path
    device: str
    cost: float = 0.0
    loggers: tuple[str, ...] = ()
    devices: int = 1

    @property
    def after(self) -> tuple[Job, ...]:
        """The jobs that have to be finished before this one can begin."""
        return ()

    @property
    def arm(self) -> str:
        """What it is a run of: those of one arm are looked at once before anything runs."""
        return self.policy

    @property
    def open(self) -> bool:
        """Whether it is still to be run."""
        return self.finished() is None

    def finished(self) -> RunResult | None:
        """Return the result where the run is finished already."""
        return finished_result(self.folder, self.config, self.seed)

    def preflight(self) -> float:
        """Roughly what it costs in FLOPs; raises `InputError` where it cannot run, or its policy not grow."""
        setup = set_up(self.config, self.seed, "cpu")
        require_shared(setup, self.devices)
        cost = estimated_flops(setup)
        try_growth(setup)
        return cost

    def tolerates(self, error: Exception) -> bool:
        """Whether those that wait for it go on after this error, and it counts as no failure."""
        return False

    def run(self, progress: Progress) -> None:
        """Train to the end; the result is in the folder."""
        run_one(self.config, self.seed, self.folder, self.device, progress, loggers=self.loggers, devices=self.devices)


@dataclass(frozen=True)
class Failure:
    """A run that did not finish; the others go on, and where it is `tolerated` also those that waited for it.

    Where its folder is `unwritable` nothing goes on: it would not fare better.
    """

    policy: str
    seed: int
    reason: str
    tolerated: bool = False
    unwritable: bool = False


def execute(job: Job, watch: Watcher) -> Failure | None:
    """Run a job to its end; its result is in its folder, and None is returned.

    Whatever goes wrong ends this run only: the reason is returned, and the traceback is in `failure.txt`.
    """
    note = job.folder / FAILURE
    try:
        with writing(note):
            note.unlink(missing_ok=True)
        job.run(lambda event: watch(OfRun(job.policy, job.seed, event)))
    except CannotWrite as error:
        return Failure(job.policy, job.seed, str(error), unwritable=True)
    except Exception as error:
        if is_full(error, job.folder):
            return Failure(job.policy, job.seed, str(cannot_write(job.folder, error)), unwritable=True)
        job.folder.mkdir(parents=True, exist_ok=True)
        note.write_text(traceback.format_exc())
        expected = isinstance(error, GrowsearchError)
        reason = str(error) if expected else f"{type(error).__name__}: {error} (traceback in {note})"
        return Failure(job.policy, job.seed, reason, job.tolerates(error))
    return None


def report_failures(failed: Sequence[tuple[Job, Failure]], watch: Watcher) -> list[Failure]:
    """Tell `watch` of every run that failed; the failures. Raises `CannotWrite` where a folder could not be written."""
    for job, failure in failed:
        if failure.unwritable:
            raise CannotWrite(failure.reason)
        watch(OfRun(job.policy, job.seed, RunFailed(failure.reason)))
    return [failure for _, failure in failed]

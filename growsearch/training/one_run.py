"""Train one network with one policy and one seed, in a folder, from its checkpoint if there is one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from growsearch.config import RunConfig
from growsearch.errors import DamageWarning
from growsearch.loggers import LoggedRun, Observers
from growsearch.runs.events import Progress, RunEvent, RunFinished
from growsearch.runs.layout import CHECKPOINT
from growsearch.runs.lock import held
from growsearch.runs.reading import DamagedFile
from growsearch.runs.records import RunResult
from growsearch.runs.store import read_growth, read_rows
from growsearch.training.architecture import Architecture
from growsearch.training.beginnings import SharedBeginning
from growsearch.training.checkpoint import remove_checkpoint
from growsearch.training.hooks import TrainingHooks
from growsearch.training.loop import TrainingRun
from growsearch.training.precision import resolve_device
from growsearch.training.result import fingerprint, finished_result
from growsearch.training.threads import threads
from growsearch.training.world import ALONE, World

_PATIENCE = 10.0  # seconds in which a worker ends whose parent was killed


class Interrupted(Exception):
    """Raised by a `progress` to end a run that is to be continued later: its checkpoint is written."""


def run_one(
    config: RunConfig,
    seed: int,
    folder: Path,
    device: str = "auto",
    progress: Progress | None = None,
    test: bool = True,
    loggers: Sequence[str] = (),
    architecture: Architecture | None = None,
    devices: int = 1,
    shared: Path | None = None,
) -> RunResult:
    """Train to the end and return the run's result, which is also `folder/result.json`.

    A finished run of the same configuration is returned as it is; one that was interrupted continues from its
    checkpoint, with as many CPU threads as it was begun with, and on the CPU bit for bit as if nothing had happened.
    `progress` is called with what happens (`RunEvent`).
    `loggers` (names) are told of rows, growth events and the result; one that fails is warned of and left out.
    With an `architecture` the network begins with that one, freshly initialised, in place of the configuration's seed.
    Without `test` the result has the validation metrics of the network at the end, and the test set is not read.
    With `devices` that many processes train it together, each on its share of every batch and with its share of this
    process' CPU threads: within rounding as one does. A run may go on with another number of them.
    With a `shared` folder, on one device, it goes on from what another run that is the same until it first grows has
    left there, and leaves that itself: to the same bits, and as if it had trained that far.

    Raises `InputError` where the configuration cannot be run or another process trains in the folder,
    `TrainingDiverged`, and `GrowsearchError`; `RankFailed` where one of several processes dies.

    Args:
        config: of the run.
        seed: of the run.
        folder: that holds it.
        device: "auto", "cpu" or "cuda".
        progress: is told what happens.
        test: whether the test set is read at the end.
        loggers: names.
        architecture: to begin with.
        devices: that train it together.
        shared: folder of the runs that may have their beginnings in common.
    """
    report = progress or _silent
    result = finished_result(folder, config, seed, architecture)
    if result is None:
        with held(folder, _PATIENCE):
            result = finished_result(folder, config, seed, architecture)
            if result is None:
                common = shared if devices == 1 and architecture is None else None
                work = _Work(config, seed, folder, test, tuple(loggers), architecture, common)
                result = _worked(work, device, devices, report)
    report(RunFinished(result))
    return result


def _worked(work: _Work, device: str, devices: int, report: Progress) -> RunResult:
    """What a run comes to, in this process or in several."""
    if devices == 1:
        return work(ALONE, device, report)
    from growsearch.training.processes import run_in_ranks  # some builds of torch have no torch.distributed

    kind = resolve_device(device).type
    return run_in_ranks(work, devices, kind, max(1, torch.get_num_threads() // devices), report)


@dataclass(frozen=True)
class _Work:
    """A run, as every process that trains it is given it."""

    config: RunConfig
    seed: int
    folder: Path
    test: bool
    loggers: tuple[str, ...]
    architecture: Architecture | None
    shared: Path | None

    def __call__(self, world: World, device: str, progress: Progress) -> RunResult:
        """Train to the end, from the folder's checkpoint if there is one."""
        logged = LoggedRun(
            self.folder, self.config.to_dict(), self.seed, fingerprint(self.config, self.seed, self.architecture)
        )
        common = SharedBeginning(self.shared, self.config, self.seed) if self.shared is not None else None
        if common is not None:
            common.adopt(self.folder)
        with Observers(self.loggers if world.leads else (), logged, progress) as observers:
            run = self._begun(world, device, observers, common)
            try:
                if world.leads:
                    observers.begin(read_rows(self.folder), read_growth(self.folder))
                with threads(run.threads):
                    run.train()
                    result = run.finish(self.test)
                observers.finish(result)
            except Interrupted:
                run.save()
                raise
            finally:
                run.close()
        return result

    def _begun(self, world: World, device: str, progress: Progress, hooks: TrainingHooks | None) -> TrainingRun:
        """The run as it stands in its folder; from the beginning, with a warning, where what it has left is damaged."""
        try:
            run = self._run(world, device, progress, hooks)
            try:
                world.first(self._require_readable)
            except DamagedFile:
                run.close()
                raise
        except DamagedFile as error:
            warnings.warn(f"{error}; this run begins anew", DamageWarning, stacklevel=4)
            world.first(lambda: remove_checkpoint(self.folder / CHECKPOINT))
            run = self._run(world, device, progress, hooks)
        return run

    def _run(self, world: World, device: str, progress: Progress, hooks: TrainingHooks | None) -> TrainingRun:
        return TrainingRun(self.config, self.seed, self.folder, device, progress, self.architecture, hooks, world=world)

    def _require_readable(self) -> None:
        read_rows(self.folder), read_growth(self.folder)


def _silent(event: RunEvent) -> None:
    """For callers that do not watch."""

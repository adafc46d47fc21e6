"""Train one network with one policy and one seed, in a folder, from its checkpoint if there is one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

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
from growsearch.training.checkpoint import remove_checkpoint
from growsearch.training.loop import TrainingRun
from growsearch.training.result import fingerprint, finished_result
from growsearch.training.threads import threads

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
) -> RunResult:
    """Train to the end and return the run's result, which is also `folder/result.json`.

    A finished run of the same configuration is returned as it is; one that was interrupted continues from its
    checkpoint, with as many CPU threads as it was begun with, and on the CPU bit for bit as if nothing had happened.
    `progress` is called with what happens (`RunEvent`).
    `loggers` (names) are told of rows, growth events and the result; one that fails is warned of and left out.
    With an `architecture` the network begins with that one, freshly initialised, in place of the configuration's seed.
    Without `test` the result has the validation metrics of the network at the end, and the test set is not read.

    Raises `InputError` where the configuration cannot be run or another process trains in the folder,
    `TrainingDiverged`, and `GrowsearchError`.

    Args:
        config: of the run.
        seed: of the run.
        folder: that holds it.
        device: "auto", "cpu" or "cuda".
        progress: is told what happens.
        test: whether the test set is read at the end.
        loggers: names.
        architecture: to begin with.
    """
    report = progress or _silent
    result = finished_result(folder, config, seed, architecture)
    if result is None:
        with held(folder, _PATIENCE):
            result = finished_result(folder, config, seed, architecture)
            if result is None:
                logged = LoggedRun(folder, config.to_dict(), seed, fingerprint(config, seed, architecture))
                with Observers(loggers, logged, report) as observers:
                    run = _begun(config, seed, folder, device, observers, architecture)
                    result = _finished(run, observers, test)
    report(RunFinished(result))
    return result


def _finished(run: TrainingRun, observers: Observers, test: bool) -> RunResult:
    """Train a run to its end; its result."""
    try:
        observers.begin(read_rows(run.folder), read_growth(run.folder))
        with threads(run.threads):
            run.train()
            result = run.finish(test)
        observers.finish(result)
    except Interrupted:
        run.save()
        raise
    finally:
        run.close()
    return result


def _begun(
    config: RunConfig,
    seed: int,
    folder: Path,
    device: str,
    progress: Progress,
    architecture: Architecture | None,
) -> TrainingRun:
    """The run as it stands in its folder; from the beginning, with a warning, where what it has left is damaged.

    Args:
        config: of the run.
        seed: of the run.
        folder: that holds it.
        device: "auto", "cpu" or "cuda".
        progress: is told what happens.
        architecture: to begin with.
    """
    try:
        run = TrainingRun(config, seed, folder, device, progress, architecture)
        try:
            read_rows(folder), read_growth(folder)
        except DamagedFile:
            run.close()
            raise
    except DamagedFile as error:
        warnings.warn(f"{error}; this run begins anew", DamageWarning, stacklevel=3)
        remove_checkpoint(folder / CHECKPOINT)
        run = TrainingRun(config, seed, folder, device, progress, architecture)
    return run


def _silent(event: RunEvent) -> None:
    """For callers that do not watch."""

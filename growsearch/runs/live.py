"""How the trainings in a run folder stand at this moment, also while they run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from growsearch.errors import InputError
from growsearch.runs.layout import CONFIG, FAILURE, METRICS, RESULT, in_race, is_pilot, is_trial
from growsearch.runs.lock import Holder, holder_of
from growsearch.runs.reading import DamagedFile
from growsearch.runs.records import GrowthLine, MetricsRow
from growsearch.runs.store import read_growth, read_rows

State = Literal["running", "finished", "failed", "stopped", "waiting"]
STATES: tuple[State, ...] = get_args(State)
_QUIET = (
    60.0  # seconds without a line, after which a training is no longer called running where nobody holds the folder
)


@dataclass(frozen=True)
class LiveTraining:
    """A training: its `arm` (policy or trial) and seed, its state, what it has logged, and its growth.

    A trial that is not at work and has no result is `stopped`: it was pruned, or interrupted.
    """

    arm: str
    seed: str
    state: State
    rows: tuple[MetricsRow, ...]
    events: tuple[GrowthLine, ...]

    @property
    def name(self) -> str:
        """Return policy or trial, and seed, in words."""
        return f"{self.arm}, {self.seed}"

    @property
    def widths(self) -> dict[str, int]:
        """Return the units of every site after the last event; empty before the first."""
        return dict(self.events[-1].widths) if self.events else {}


@dataclass(frozen=True)
class LiveRun:
    """A run folder, who works on it (None: nobody), and its trainings, those that wrote last first."""

    folder: Path
    holder: Holder | None
    trainings: tuple[LiveTraining, ...]

    def count(self, state: str) -> int:
        """Return how many trainings are in a state."""
        return sum(one.state == state for one in self.trainings)


def live_run(folder: Path, most: int) -> LiveRun:
    """Return how a run folder stands, with the `most` trainings that wrote last; `InputError` for another folder."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: is not a run folder: there is no {CONFIG} in it")
    holder = holder_of(folder)
    written = sorted(_written(folder), key=lambda each: -each[1])
    found = (_training(home, at, holder is not None) for home, at in written[:most])
    return LiveRun(folder, holder, tuple(one for one in found if one is not None))


def _written(folder: Path) -> Iterator[tuple[Path, float]]:
    for path in folder.rglob(METRICS):
        try:
            yield path.parent, path.stat().st_mtime
        except FileNotFoundError:  # a search has just let it go
            continue


def _training(home: Path, written: float, held: bool) -> LiveTraining | None:
    try:
        rows, events = tuple(read_rows(home)), tuple(read_growth(home))
    except DamagedFile:
        return None
    state: State = "waiting"
    if (home / RESULT).is_file():
        state = "finished"
    elif (home / FAILURE).is_file():
        state = "failed"
    elif is_trial(home.parent):
        state = "running" if holder_of(home) is not None else "stopped"
    elif held or time.time() - written < _QUIET:
        state = "running"
    return LiveTraining(_arm(home), home.name.replace("-", " "), state, rows, events)


def _arm(home: Path) -> str:
    """Policy or trial; of a pilot run its policy and learning rate."""
    if is_trial(home.parent):
        return f"{'race run' if in_race(home.parent) else 'trial'} {home.parent.name}"
    return f"{home.parent.parent.name}, {home.parent.name}" if is_pilot(home) else home.parent.name

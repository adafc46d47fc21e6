"""The run once more, up to an event: what the network, the optimizer and all random streams were just before it.

A run is deterministic, so nothing has to be kept while it trains: its beginning is repeated, from the seed or from the
latest state that there is. On the CPU that gives the same bits, which is checked against what the run recorded.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from growsearch.audit.records import Repetition
from growsearch.audit.target import Target
from growsearch.errors import GrowsearchError
from growsearch.runs.events import Progress, RepetitionFinished, RunEvent, RunStarted, StepDone
from growsearch.runs.files import write_json
from growsearch.runs.layout import BEFORE, CHECKPOINT, GROWTH, METRICS
from growsearch.runs.reading import read_json, record_of
from growsearch.runs.records import GrowthLine, MetricsRow
from growsearch.runs.store import read_growth, read_rows
from growsearch.training import TrainingHooks, TrainingRun
from growsearch.training.checkpoint import load_checkpoint, save_checkpoint
from growsearch.training.threads import threads
from growsearch.writing import make_folder

_WORK = "repeat"
_START = "start.json"
_ROW_KEYS = ("train_loss", "validation_loss", "validation_accuracy", "training_flops", "parameters")
_EVENT_KEYS = ("sites", "removed", "widths", "predicted_change", "measured_change")


class _Reached(Exception):
    """The run stands just before the event."""


class StopBeforeGrowth(TrainingHooks):
    """Ends a run between the optimizer step and the growth of step `stop`, with a checkpoint."""

    def __init__(self, stop: int) -> None:
        self._stop = stop

    def before_growth(self, run: TrainingRun) -> None:
        """See `TrainingHooks`."""
        if run.counters.step == self._stop:
            run.save()
            raise _Reached


@dataclass(frozen=True)
class Start:
    """Where a repetition begins: `before_event` tells that the growth of `step` is still to come."""

    step: int = 0
    before_event: bool = False
    repetition: Repetition = Repetition(equal=True)


def state_before(target: Target, number: int, device: str, progress: Progress) -> tuple[Path, Repetition]:
    """The file with the state before an event, made where it does not exist yet, and how true it is to the run.

    An interrupted repetition goes on from its last checkpoint.

    Args:
        target: the run.
        number: of the event, from 1.
        device: that the run is repeated on.
        progress: is told of the repetition.
    """
    home = target.audit_folder(number)
    path = home / BEFORE
    if (found := _kept(path, target)) is not None:
        return path, found
    step, work = target.event(number).step, home / _WORK
    start = _begin(target, number, work)
    watch, hooks = watched(progress, step), StopBeforeGrowth(step)
    run = TrainingRun(target.config, target.seed, work, device, watch, hooks=hooks)
    try:
        with threads(target.threads):
            _train_until(run, step, start)
    finally:
        run.close()
    state = _load(work / CHECKPOINT)
    found = start.repetition
    if found.equal:
        found = compared(target, read_rows(work), read_growth(work), start.step, step, found.rows)
    save_checkpoint(path, {**without_logs(state), "repetition": asdict(found)})
    shutil.rmtree(work)
    progress(RepetitionFinished(step, found.equal))
    return path, found


def _train_until(run: TrainingRun, step: int, start: Start) -> None:
    """Train to just before the growth of `step`; a state that stands before an earlier event grows first."""
    if run.counters.step == step:
        return
    try:
        if start.before_event and run.counters.step == start.step:
            run.grow()
            if run.row_due:
                run.write_row()
        run.train(step)
    except _Reached:
        return
    raise GrowsearchError(f"the repeated run did not come to step {step}")


def watched(progress: Progress, last: int) -> Progress:
    """Only how far a repeated run has come on the way to its last step: its rows and events are not new."""

    def watch(event: RunEvent) -> None:
        if isinstance(event, RunStarted | StepDone):
            progress(replace(event, total_steps=last))

    return watch


def _kept(path: Path, target: Target) -> Repetition | None:
    """What an earlier audit found, where it kept the state."""
    if not path.exists():
        return None
    saved = _load(path)
    return record_of(Repetition, saved["repetition"], str(path)) if saved["config"] == target.fingerprint else None


def _begin(target: Target, number: int, work: Path) -> Start:
    """Prepare the folder of a repetition with the latest state before the event; or find one that was interrupted."""
    note = work / _START
    if note.exists() and (work / CHECKPOINT).exists():
        return record_of(Start, read_json(note), str(note))
    shutil.rmtree(work, ignore_errors=True)
    make_folder(work)
    state, start = _latest(target, number)
    if state is not None:
        save_checkpoint(work / CHECKPOINT, without_logs(state))
    write_json(note, asdict(start))
    return start


def _latest(target: Target, number: int) -> tuple[dict[str, Any] | None, Start]:
    """The latest state before an event: the run's own checkpoint, or one that the audit of an earlier event kept."""
    step = target.event(number).step
    own = load_checkpoint(target.folder / CHECKPOINT, torch.device("cpu"))
    if own is not None and own["config"] == target.fingerprint and own["counters"]["step"] < step:
        return own, Start(own["counters"]["step"])
    for earlier in range(number - 1, 0, -1):
        path = target.audit_folder(earlier) / BEFORE
        if (found := _kept(path, target)) is not None:
            return _load(path), Start(target.event(earlier).step, True, found)
    return None, Start()


def _load(path: Path) -> dict[str, Any]:
    state = load_checkpoint(path, torch.device("cpu"))
    if state is None:
        raise GrowsearchError(f"{path} has vanished: run the audit again")
    return state


def without_logs(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint for a folder in which nothing has been written yet."""
    return {**state, "lines": {METRICS: 0, GROWTH: 0}}


def compared(
    target: Target, rows: Sequence[MetricsRow], events: Sequence[GrowthLine], since: int, until: int, before: int = 0
) -> Repetition:
    """Whether the rows and events of a repetition between two steps are those that the run recorded.

    Args:
        target: the run.
        rows: of the repetition.
        events: of the repetition.
        since: first step that counts.
        until: last step that counts.
        before: number of the event at which it ends.
    """
    known = {row.step: row for row in target.rows}
    count = before + len(rows)
    for row in rows:
        if difference := _difference(known.get(row.step), row, _ROW_KEYS):
            return Repetition(False, count, row.step, *difference)
    recorded = {event.step: event for event in target.events if since <= event.step < until}
    repeated = {event.step: event for event in events if event.refused is None and event.step < until}
    for step in sorted({*recorded, *repeated}):
        if difference := _difference(recorded.get(step), repeated.get(step), _EVENT_KEYS):
            if step == since and step not in repeated:
                continue  # the state was taken behind this event
            return Repetition(False, count, step, *difference)
    return Repetition(True, count)


def _difference(
    recorded: MetricsRow | GrowthLine | None, repeated: MetricsRow | GrowthLine | None, keys: Sequence[str]
) -> tuple[str, Any, Any] | None:
    """The first key whose value is another one."""
    one, other = ({} if each is None else each.plain() for each in (recorded, repeated))
    return next(((key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)), None)

"""The run once more, up to an event: what the network, the optimizer and all random streams were just before it.

A run is deterministic, so nothing has to be kept while it trains: its beginning is repeated, from the seed or from the
latest state that there is. On the CPU that gives the same bits, which is checked against what the run recorded.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from growsearch.audit.results import Repetition
from growsearch.audit.target import Target
from growsearch.errors import GrowsearchError
from growsearch.growth import GrowthEvent
from growsearch.runs.files import write_json
from growsearch.runs.layout import BEFORE, CHECKPOINT, GROWTH, METRICS
from growsearch.runs.lines import read_lines
from growsearch.training import Progress, TrainingRun
from growsearch.training.checkpoint import load_checkpoint, save_checkpoint

_WORK = "repeat"
_START = "start.json"
_ROW_KEYS = ("train_loss", "validation_loss", "validation_accuracy", "training_flops", "parameters")
_EVENT_KEYS = ("sites", "removed", "widths", "predicted_change", "measured_change")

Row = Mapping[str, Any]


class _Reached(Exception):
    """The run stands just before the event."""


class RepeatedRun(TrainingRun):
    """A run that stops between the optimizer step and the growth of step `stop`, having written a checkpoint."""

    stop = 0

    def until(self, stop: int) -> None:
        """Train to there; a state that stands before an earlier event grows first."""
        self.stop = stop
        if self.counters.step == stop:
            return
        try:
            self.train(stop)
        except _Reached:
            return
        raise GrowsearchError(f"the repeated run did not come to step {stop}")

    def finish_step(self) -> None:
        """What `train` does after an optimizer step, for a state that was taken before it."""
        if self.setup.growing is not None:
            self._grow(self.setup.growing.step)
        if self.counters.step % self.setup.rows_every == 0:
            self._write_row()

    def _grow(self, change: Callable[[], GrowthEvent | None]) -> None:
        if self.counters.step == self.stop:
            self.save()
            raise _Reached
        super()._grow(change)


@dataclass(frozen=True)
class Start:
    """Where a repetition begins: `before_event` tells that the growth of `step` is still to come."""

    step: int = 0
    before_event: bool = False
    repetition: Repetition = Repetition(equal=True)


def state_before(target: Target, number: int, device: str, progress: Progress) -> tuple[Path, Repetition]:
    """The file with the state before an event, made where it does not exist yet, and how true it is to the run.

    An interrupted repetition goes on from its last checkpoint.
    """
    home = target.audit_folder(number)
    path = home / BEFORE
    if (found := _kept(path, target)) is not None:
        return path, found
    step, work = target.event(number)["step"], home / _WORK
    start = _begin(target, number, work)
    run = RepeatedRun(target.config, target.seed, work, device, watched(progress, step))
    try:
        with threads(target.threads):
            if start.before_event and run.counters.step == start.step:
                run.finish_step()
            run.until(step)
    finally:
        run.close()
    state = _load(work / CHECKPOINT)
    found = start.repetition
    if found.equal:
        found = compared(target, read_lines(work / METRICS), read_lines(work / GROWTH), start.step, step, found.rows)
    save_checkpoint(path, {**without_logs(state), "repetition": asdict(found)})
    shutil.rmtree(work)
    progress({"kind": "finished", "step": step, "equal": found.equal})
    return path, found


def watched(progress: Progress, last: int) -> Progress:
    """Only how far a repeated run has come on the way to its last step: its rows and events are not new."""

    def watch(event: dict[str, Any]) -> None:
        if event["kind"] in ("started", "step"):
            progress({**event, "total_steps": last})

    return watch


def _kept(path: Path, target: Target) -> Repetition | None:
    """What an earlier audit found, where it kept the state."""
    if not path.exists():
        return None
    saved = _load(path)
    return Repetition(**saved["repetition"]) if saved["config"] == target.fingerprint else None


def _begin(target: Target, number: int, work: Path) -> Start:
    """Prepare the folder of a repetition with the latest state before the event; or find one that was interrupted."""
    note = work / _START
    if note.exists() and (work / CHECKPOINT).exists():
        content = json.loads(note.read_text())
        return Start(content["step"], content["before_event"], Repetition(**content["repetition"]))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    state, start = _latest(target, number)
    if state is not None:
        save_checkpoint(work / CHECKPOINT, without_logs(state))
    write_json(note, asdict(start))
    return start


def _latest(target: Target, number: int) -> tuple[dict[str, Any] | None, Start]:
    """The latest state before an event: the run's own checkpoint, or one that the audit of an earlier event kept."""
    step = target.event(number)["step"]
    own = load_checkpoint(target.folder / CHECKPOINT, torch.device("cpu"))
    if own is not None and own["config"] == target.fingerprint and own["counters"]["step"] < step:
        return own, Start(own["counters"]["step"])
    for earlier in range(number - 1, 0, -1):
        path = target.audit_folder(earlier) / BEFORE
        if (found := _kept(path, target)) is not None:
            return _load(path), Start(target.event(earlier)["step"], True, found)
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
    target: Target, rows: Sequence[Row], events: Sequence[Row], since: int, until: int, before: int = 0
) -> Repetition:
    """Whether the rows and events of a repetition between two steps are those that the run recorded."""
    known = {row["step"]: row for row in target.rows}
    count = before + len(rows)
    for row in rows:
        if difference := _difference(known.get(row["step"], {}), row, _ROW_KEYS):
            return Repetition(False, count, row["step"], *difference)
    recorded = {event["step"]: event for event in target.events if since <= event["step"] < until}
    repeated = {event["step"]: event for event in events if event["refused"] is None and event["step"] < until}
    for step in sorted({*recorded, *repeated}):
        if difference := _difference(recorded.get(step, {}), repeated.get(step, {}), _EVENT_KEYS):
            if step == since and step not in repeated:
                continue  # the state was taken behind this event
            return Repetition(False, count, step, *difference)
    return Repetition(True, count)


def _difference(recorded: Row, repeated: Row, keys: Sequence[str]) -> tuple[str, Any, Any] | None:
    """The first key whose value is another one."""
    return next(
        ((key, recorded.get(key), repeated.get(key)) for key in keys if recorded.get(key) != repeated.get(key)), None
    )


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many CPU threads: the order in which numbers are added up depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""What the run folders in a folder are, how far they have come, and what was best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from growsearch.errors import InputError
from growsearch.runs.layout import (
    CONFIG,
    RESULTS,
    SEARCH,
    SINGLE,
    audit_summaries,
    event_audits,
    is_run_folder,
    results_below,
    trial_results,
)
from growsearch.runs.lock import holder_of
from growsearch.runs.reading import DamagedFile, read_json, read_yaml

Kind = Literal["run", "comparison", "search"]


@dataclass(frozen=True)
class RunSummary:
    """A run folder: `best` is a policy or a trial, `value` its mean by `metric`, `bytes` what the folder takes on disk.

    `audits` counts growth events that were audited in it, and runs of which all were. `finished` counts trainings that
    ended, `changed` is when something was last written.
    """

    folder: Path
    kind: Kind
    audits: int
    state: str
    finished: int
    best: str | None
    metric: str | None
    value: float | None
    changed: datetime
    bytes: int


def run_folders(folder: Path) -> list[Path]:
    """Return the run folders in a folder, by name, or itself where it is one; `InputError` where it is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    if is_run_folder(folder):
        return [folder]
    return sorted(each for each in folder.iterdir() if each.is_dir() and is_run_folder(each))


def summarise(folder: Path) -> RunSummary:
    """Return what is to be said of a run folder; what is damaged in it is a state like another."""
    files = [each.stat() for each in folder.rglob("*") if each.is_file()]
    kind = _kind(folder)
    finished = len((trial_results if kind == "search" else results_below)(folder))
    state, best, metric, value = _standing(folder, kind)
    return RunSummary(
        folder=folder,
        kind=kind,
        audits=len(event_audits(folder)) + len(audit_summaries(folder)),
        state=state,
        finished=finished,
        best=best,
        metric=metric,
        value=value,
        changed=datetime.fromtimestamp(max((each.st_mtime for each in files), default=0.0), UTC).astimezone(),
        bytes=sum(each.st_size for each in files),
    )


def _kind(folder: Path) -> Kind:
    """By what the folder holds: the file of a single run has no policies, and trains as one that is called run."""
    if (folder / SEARCH).is_file():
        return "search"
    try:
        compared = bool(read_yaml(folder / CONFIG).get("policies"))
    except DamagedFile:
        compared = not (folder / SINGLE).is_dir()
    return "comparison" if compared else "run"


def _standing(folder: Path, kind: str) -> tuple[str, str | None, str | None, float | None]:
    """Its state, and the best so far with its value."""
    holder = holder_of(folder)
    running = f"running: process {holder.process} on {holder.host}" if holder else None
    if not (folder / RESULTS).is_file():
        return running or "interrupted", None, None, None
    try:
        results = read_json(folder / RESULTS)
        best = _best_trial(results) if kind == "search" else _best_policy(results)
        over = kind != "search" or results.get("ended_by") is not None
        failed = len(results.get("failures") or [])
    except (DamagedFile, KeyError, TypeError, IndexError, ValueError):
        return running or "damaged results.json", None, None, None
    ended = f"{failed} failed" if failed else "finished"
    return (running or (ended if over else "interrupted"), *best)


def _best_policy(results: Mapping[str, Any]) -> tuple[str | None, str | None, float | None]:
    verdict = results["verdict"]
    means = {name: fmean(own[verdict["metric"]]) for name, own in results["policies"].items() if own["seeds"]}
    if not means:
        return None, None, None
    best = (max if verdict["higher_is_better"] else min)(means, key=lambda name: means[name])
    return best, str(verdict["metric"]), means[best]


def _best_trial(results: Mapping[str, Any]) -> tuple[str | None, str | None, float | None]:
    if len(results["best"]) != 1:
        front = len(results["best"])
        return (f"{front} on the Pareto front" if front else None), None, None
    trial = next(each for each in results["trials"] if each["number"] == results["best"][0])
    [(_, metric)] = results["objectives"][0].items()
    return f"trial {trial['number']}", str(metric), float(trial["values"][0])

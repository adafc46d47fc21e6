"""The logs of a folder's finished runs, read once for the whole report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from growsearch.comparison import ComparisonResults
from growsearch.errors import DamageWarning
from growsearch.runs.layout import run_of
from growsearch.runs.reading import DamagedFile
from growsearch.runs.store import read_growth, read_result, read_rows, require_whole


@dataclass(frozen=True)
class RunLog:
    """One run: its `score` is the metric that policies are ranked by.

    `rows` are of `metrics.jsonl`, `events` of `growth.jsonl`, refused ones counted in `refused` only.
    """

    seed: int
    score: float
    folder: Path
    rows: list[dict[str, Any]]
    events: list[dict[str, Any]]
    refused: int


def read_logs(folder: Path, results: ComparisonResults) -> dict[str, list[RunLog]]:
    """The runs of every policy and of every control, in the order of `results.json`.

    A run with a damaged log is left out, and a `DamageWarning` names the file.
    """
    metric = results.conclusions.ranked_by
    logs: dict[str, list[RunLog]] = {}
    for name, rows in {**results.policies, **results.controls}.items():
        own = logs[name] = []
        for seed, score in zip(rows["seeds"], rows[metric.key], strict=True):
            try:
                own.append(_read(run_of(folder, name, seed), seed, score))
            except DamagedFile as error:
                warnings.warn(f"{error}; its curve and its growth are left out", DamageWarning, stacklevel=2)
    return logs


def median_run(runs: Sequence[RunLog]) -> RunLog:
    """The run in the middle by its score; of two, the lower; of equals, the first."""
    return sorted(runs, key=lambda run: run.score)[(len(runs) - 1) // 2]


def _read(folder: Path, seed: int, score: float) -> RunLog:
    if (result := read_result(folder)) is not None:
        require_whole(folder, result)
    events = [line.plain() for line in read_growth(folder)]
    done = [event for event in events if event["refused"] is None]
    return RunLog(seed, score, folder, [row.plain() for row in read_rows(folder)], done, len(events) - len(done))

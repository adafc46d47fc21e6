"""One run of a table: a configuration with a seed, trained in this process, as a line of plain data."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from growsearch.config.run_config import normalized
from growsearch.errors import GrowsearchError
from growsearch.runs.events import RowDone, RunEvent
from growsearch.runs.records import MetricsRow, RunResult
from growsearch.search.claims import DIVERGED, MEMORY, REFUSED
from growsearch.search.drawing import quasi_random
from growsearch.search.space import plain_of
from growsearch.training import TrainingDiverged, run_one

COMPLETE, ERROR = "complete", "error"
DRAWN = 0  # the seed of the quasi-random sequence
ROW = ("step", "train_loss", "lr", "parameters", "training_flops", "seconds")
FINAL = ("steps", "parameters", "flops", "training_flops", "growth_flops", "growth_events", "seconds", "growth_seconds")


def line_of(data: Mapping[str, Any], configuration: int, seed: int, scratch: Path | None = None) -> dict[str, Any]:
    """Train a configuration of a space, by its number, and return what is kept of it, failures included.

    Args:
        data: the space's file.
        configuration: its place in the quasi-random sequence.
        seed: of the run.
        scratch: where the run's folder is until it ends; None: the system's.
    """
    parameters = quasi_random(data, DRAWN, configuration)
    rows: list[MetricsRow] = []

    def watch(event: RunEvent) -> None:
        if isinstance(event, RowDone):
            rows.append(event.row)

    line: dict[str, Any] = {"configuration": configuration, "seed": seed, "parameters": parameters}
    result: RunResult | None = None
    try:
        config = normalized(plain_of(data, parameters))
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            result = run_one(config, seed, Path(folder), "cpu", watch)
        line["state"] = COMPLETE
    except (GrowsearchError, MemoryError, ArithmeticError, RuntimeError, ValueError) as error:
        line |= {"state": _kind(error), "reason": f"{type(error).__name__}: {error}".splitlines()[0]}
    line["rows"] = _columns(rows)
    if result is not None:
        line["final"] = {name: getattr(result, name) for name in FINAL} | dict(result.metrics)
        line["widths"] = dict(result.widths)
    return line


def _kind(error: Exception) -> str:
    if isinstance(error, TrainingDiverged):
        return DIVERGED
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return MEMORY
    return REFUSED if isinstance(error, GrowsearchError) else ERROR


def _columns(rows: list[MetricsRow]) -> dict[str, list[Any]]:
    measured = {name: [row.metrics.get(name) for row in rows] for name in (rows[-1].metrics if rows else ())}
    return {name: [getattr(row, name) for row in rows] for name in ROW} | measured

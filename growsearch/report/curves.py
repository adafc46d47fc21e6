"""Learning curves of a policy, made small enough for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import Any, TypeVar

from growsearch.report.logs import RunLog

METRICS = {
    "validation_accuracy": "validation accuracy",
    "validation_loss": "validation loss",
    "train_loss": "training loss",
    "parameters": "parameters",
}
VALIDATION = "validation_"
AXES = {"training_flops": "training FLOPs", "seconds": "seconds", "epoch": "epochs", "step": "steps"}
_POINTS = 150  # of one curve: more cannot be told apart on a screen
_DIGITS = 5  # of a number: more cannot be seen

Row = dict[str, Any]
T = TypeVar("T")


def curves(runs: Sequence[RunLog]) -> dict[str, Any]:
    """Mean curves over the runs, at the steps that all of them logged.

    `x` has, for each of `AXES` that was recorded, the mean over the runs at each row; `metrics`, for what is `shown`,
    `mean`, `low` and `high`: one standard deviation, but never beyond what a run reached; null where a run has none.
    """
    by_step = [{row["step"]: row for row in run.rows} for run in runs]
    steps = sorted(set.intersection(*(set(rows) for rows in by_step))) if by_step else []
    columns = [[rows[step] for rows in by_step] for step in thinned(steps, _POINTS)]
    first = columns[0][0] if columns else {}
    return {
        "x": {axis: [rounded(fmean(row[axis] for row in rows)) for rows in columns] for axis in AXES if axis in first},
        "metrics": {metric: _band(metric, columns) for metric in shown(first)},
    }


def shown(recorded: Iterable[str]) -> dict[str, str]:
    """Return the words for each of the recorded values that has a curve, by key; what a task alone has comes first."""
    keys = set(recorded)
    own = sorted(key for key in keys if key.startswith(VALIDATION) and key not in METRICS)
    return {key: METRICS.get(key, key.replace("_", " ")) for key in (*own, *METRICS) if key in keys}


def _band(metric: str, columns: Sequence[Sequence[Row]]) -> dict[str, list[float | None]]:
    """Mean and standard deviation of a metric over the runs, at every row."""
    band: dict[str, list[float | None]] = {"mean": [], "low": [], "high": []}
    for rows in columns:
        values = [row.get(metric) for row in rows]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            ends: tuple[float | None, ...] = (None, None, None)
        else:
            mean, deviation = fmean(known), stdev(known) if len(known) > 1 else 0.0
            ends = (mean, max(mean - deviation, min(known)), min(mean + deviation, max(known)))
        for key, value in zip(band, ends, strict=True):
            band[key].append(None if value is None else rounded(value))
    return band


def thinned(items: list[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def rounded(value: float) -> float:
    """Return a number with as many digits as can be seen; whole numbers without a point, which is shorter."""
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short

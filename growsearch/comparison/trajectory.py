"""What the way to the final network was worth: quality over the compute spent, and the cost of reaching a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Any

import numpy as np

from growsearch.comparison.metric import ACCURACY, VALIDATION, Metric
from growsearch.statistics import interquartile_mean

TARGET_SHARE = 0.95

Rows = Sequence[Mapping[str, Any]]  # of one run's metrics.jsonl


def trajectories(runs: Mapping[str, Sequence[Rows]], ranked_by: Metric = ACCURACY) -> dict[str, Any] | None:
    """`results.json`'s trajectories, from the logged rows of every policy's finished runs; None without validation.

    They are of what the policies are ranked by, or where that was not logged of the loss. The target is the same for
    all: 95 % of the best policy's mean final value, or, where lower is better, the lowest one divided by 0.95. The
    average is the mean of the metric over training FLOPs, for
    all runs over the same range: from where every run has been evaluated once, to the most that any run spent; a run
    that ended before keeps its last value.
    """
    every = [rows for policy in runs.values() for rows in policy]
    known = {(own := ranked_by.on_validation()).key: own, **VALIDATION}
    metric = next((key for key in known if every and all(_points(rows, key)[0] for rows in every)), None)
    if metric is None:
        return None
    higher = known[metric].higher_is_better
    finals = [fmean(rows[-1][metric] for rows in policy) for policy in runs.values() if policy]
    target = TARGET_SHARE * max(finals) if higher else min(finals) / TARGET_SHARE
    flops = [_points(rows, metric)[0] for rows in every]
    low, high = max(xs[0] for xs in flops), max(xs[-1] for xs in flops)
    return {
        "metric": metric,
        "higher_is_better": higher,
        "target": target,
        "from_flops": low,
        "to_flops": high,
        "policies": {
            name: {
                "final": [rows[-1][metric] for rows in policy],
                "average": [average_over(*_points(rows, metric), low, high) for rows in policy],
                "flops_to_target": [_cost(rows, metric, "training_flops", target, higher) for rows in policy],
                "seconds_to_target": [_cost(rows, metric, "seconds", target, higher) for rows in policy],
            }
            for name, policy in runs.items()
        },
    }


@dataclass(frozen=True)
class TargetCost:
    """A policy on its way: the mean validation metric at the `end` and over FLOPs, and what the target cost it.

    `flops` and `seconds` are None where one of the `seeds` never got there; `reached` counts those that did.
    """

    policy: str
    end: float
    average: float
    flops: float | None
    seconds: float | None
    reached: int
    seeds: int


def target_costs(found: Mapping[str, Any], names: Iterable[str]) -> list[TargetCost]:
    """Return the costs of these policies from `results.json`'s trajectories, but for those without a finished run."""
    return [
        TargetCost(
            policy=name,
            end=fmean(own["final"]),
            average=fmean(own["average"]),
            flops=typical_cost(own["flops_to_target"]),
            seconds=typical_cost(own["seconds_to_target"]),
            reached=sum(cost is not None for cost in own["flops_to_target"]),
            seeds=len(own["final"]),
        )
        for name in names
        if (own := found["policies"].get(name)) and own["final"]
    ]


def typical_cost(costs: Sequence[float | None]) -> float | None:
    """Interquartile mean over the seeds of what the target cost; None where one of them never reached it.

    Seeds that did not reach it cost more than can be known: leaving them out would favour what fails.
    """
    reached = [cost for cost in costs if cost is not None]
    return interquartile_mean(reached) if reached and len(reached) == len(costs) else None


def average_over(xs: Sequence[float], ys: Sequence[float], low: float, high: float) -> float:
    """Mean height, from `low` to `high`, of the straight lines through the points; flat beyond the first and last.

    Args:
        xs: ascending.
        ys: as many.
        low: end of the interval.
        high: end of the interval, above `low`.
    """
    if high <= low:
        return float(np.interp(high, xs, ys))
    points = np.union1d([low, high], [x for x in xs if low < x < high])
    heights = np.interp(points, xs, ys)
    return float((np.diff(points) * (heights[1:] + heights[:-1]) / 2).sum() / (high - low))


def _points(rows: Rows, metric: str) -> tuple[list[float], list[float]]:
    """Training FLOPs and values of the rows that have the metric; empty where the last has none."""
    if not rows or rows[-1].get(metric) is None:
        return [], []
    known = [row for row in rows if row.get(metric) is not None]
    return [row["training_flops"] for row in known], [row[metric] for row in known]


def _cost(rows: Rows, metric: str, cost: str, target: float, higher_is_better: bool) -> float | None:
    """What was spent at the first evaluation at which the target was reached; None where it never was."""
    sign = 1 if higher_is_better else -1
    spent = (row[cost] for row in rows if row.get(metric) is not None and sign * row[metric] >= sign * target)
    first = min(spent, default=inf)
    return None if first == inf else first

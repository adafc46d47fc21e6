"""A comparison's table: one row per policy."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

from growsearch.comparison.verdict import Metric, metric_of, spread


@dataclass(frozen=True)
class TableRow:
    """Means over the finished seeds of one policy; `std` is over the seeds, `growth_share` a share of the seconds."""

    policy: str
    metric: Metric
    seeds: int
    mean: float
    std: float
    parameters: float
    training_flops: float
    seconds: float
    growth_share: float

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `table_header`."""
        if self.seeds == 0:
            return (self.policy, "failed", "", "", "", "", "0")
        scale, unit = (100, " %") if self.metric.higher_is_better else (1, "")
        digits = 2 if self.metric.higher_is_better else 4
        return (
            self.policy,
            f"{scale * self.mean:.{digits}f} ± {scale * self.std:.{digits}f}{unit}",
            human(self.parameters),
            human(self.training_flops),
            f"{self.seconds:.1f}",
            f"{100 * self.growth_share:.1f} %",
            str(self.seeds),
        )


def table_header(metric: Metric) -> tuple[str, ...]:
    """Titles of the columns."""
    return ("policy", f"{metric.words} (mean ± std)", "parameters", "training FLOPs", "seconds", "growth", "seeds")


def result_table(results: dict[str, Any]) -> list[TableRow]:
    """One row per policy, in the order of the file."""
    policies = results["policies"]
    metric = metric_of(policies)
    return [_row(name, rows, metric) for name, rows in policies.items()]


def _row(name: str, rows: dict[str, list[Any]], metric: Metric) -> TableRow:
    seconds = _mean(rows["seconds"])
    return TableRow(
        policy=name,
        metric=metric,
        seeds=len(rows["seeds"]),
        mean=_mean(rows[metric.key]),
        std=spread(rows[metric.key]),
        parameters=_mean(rows["parameters"]),
        training_flops=_mean(rows["training_flops"]),
        seconds=seconds,
        growth_share=_mean(rows["growth_seconds"]) / seconds if seconds else 0.0,
    )


def _mean(values: list[float]) -> float:
    return fmean(values) if values else 0.0


def human(number: float) -> str:
    """A count with three digits and a unit: 1234567 is `1.23 M`."""
    for size, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"

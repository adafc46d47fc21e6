"""A comparison's table: one row per policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from growsearch.comparison.metric import Metric, Policies, metric_of, show_p
from growsearch.comparison.pairs import Pair
from growsearch.number_format import counted, human
from growsearch.statistics import standard_deviation


@dataclass(frozen=True)
class TableRow:
    """Means over the finished seeds of one policy; `std` is over the seeds, `growth_share` a share of the seconds.
    `growth_flops` is that part of `training_flops` which growth steps computed, 0 where it was not recorded.

    `pair` is the policy against the `reference`, None for the reference itself; a policy that is alone has no
    reference. `still` marks a policy that should grow, and did not in any run. `active` counts the
    parameters that no mask prunes, and `change` is what the policy does to their number, None for a fixed
    network.
    """

    policy: str
    metric: Metric
    seeds: int
    mean: float
    std: float
    parameters: float
    active: float
    training_flops: float
    growth_flops: float
    seconds: float
    growth_share: float
    reference: str | None
    pair: Pair | None
    change: Literal["grows", "prunes"] | None
    still: bool = False

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `table_header`."""
        difference = () if self.reference is None else (self.difference(),)
        if self.seeds == 0:
            return (self.policy, "failed", *("" for _ in difference), "", "", "", "", "0")
        return (
            self.policy,
            self.metric.show_mean(self.mean, self.std if self.seeds > 1 else None),
            *difference,
            self.size(),
            self.compute(),
            f"{self.seconds:.1f}",
            f"{100 * self.growth_share:.1f} %",
            str(self.seeds),
        )

    def size(self) -> str:
        """Parameters, and how many of them are active where that differs."""
        active = "" if self.active == self.parameters else f"{counted(self.active)} active of "
        return active + counted(self.parameters) + (", did not grow" if self.still else "")

    def compute(self) -> str:
        """Training FLOPs, and the share of growth steps from half a percent on."""
        share = self.growth_flops / self.training_flops if self.training_flops else 0.0
        return human(self.training_flops) + (f" ({100 * share:.0f} % growing)" if share >= 0.005 else "")

    def difference(self) -> str:
        """Mean paired difference from the reference, with its adjusted p-value where it can be tested."""
        if self.pair is None:
            return "reference" if self.policy == self.reference else ""
        change = self.metric.show_change(self.pair.mean_difference, unit=False)
        if self.pair.alone:
            return change
        p_value = self.pair.p_value if self.pair.adjusted_p_value is None else self.pair.adjusted_p_value
        return f"{change} ({show_p(p_value)})"


def table_header(rows: Sequence[TableRow]) -> tuple[str, ...]:
    """Titles of the columns of a table that has these rows."""
    against = () if rows[0].reference is None else (f"against {rows[0].reference}",)
    return ("policy", score_title(rows), *against, "parameters", "training FLOPs", "seconds", "growth", "seeds")


def score_title(rows: Sequence[TableRow]) -> str:
    """Title of the column of the metric: a spread is named where a row has one."""
    return f"{rows[0].metric.words}{' (mean ± std)' if any(row.seeds > 1 for row in rows) else ''}"


def policy_rows(
    policies: Policies, reference: str, pairs: Iterable[Pair], not_grown: Sequence[str] = ()
) -> list[TableRow]:
    """Return one row per policy, in the order of the file.

    Args:
        policies: Lists over the seeds, by policy.
        reference: The policy that the others are tested against.
        pairs: Of every two policies.
        not_grown: The policies that should grow, and did not in any run.
    """
    metric, alone = metric_of(policies), len(policies) < 2
    against = {pair.policy: pair for pair in pairs if pair.against == reference}
    return [
        _row(name, rows, metric, None if alone else reference, None if alone else against.get(name), name in not_grown)
        for name, rows in policies.items()
    ]


def control_rows(policies: Policies, controls: Policies) -> list[TableRow]:
    """Return one row per control, in the metric of the policies; how they compare with these is said elsewhere."""
    return [_row(name, rows, metric_of(policies), None, None, False) for name, rows in controls.items()]


def best_first(rows: Iterable[TableRow]) -> list[TableRow]:
    """Return the rows by their mean, the best first, policies without a finished seed last."""
    return sorted(rows, key=lambda row: (row.seeds == 0, -row.mean if row.metric.higher_is_better else row.mean))


def _row(
    name: str, rows: dict[str, list[Any]], metric: Metric, reference: str | None, pair: Pair | None, still: bool
) -> TableRow:
    seconds, active = _mean(rows["seconds"]), _mean(rows.get("active_parameters") or rows["parameters"])
    smaller = active < _mean(rows.get("seed_parameters") or rows["parameters"])
    return TableRow(
        policy=name,
        metric=metric,
        seeds=len(rows["seeds"]),
        mean=_mean(rows[metric.key]),
        std=standard_deviation(rows[metric.key]),
        parameters=_mean(rows["parameters"]),
        active=active,
        training_flops=_mean(rows["training_flops"]),
        growth_flops=_mean([each or 0 for each in rows.get("growth_flops") or []]),
        seconds=seconds,
        growth_share=_mean(rows["growth_seconds"]) / seconds if seconds else 0.0,
        reference=reference,
        pair=pair,
        change=None if not any(rows["growth_events"]) else "prunes" if smaller else "grows",
        still=still,
    )


def _mean(values: list[float]) -> float:
    return fmean(values) if values else 0.0

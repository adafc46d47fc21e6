"""Two policies on the same seeds: how they differ, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from growsearch.comparison.metric import Metric, Policies
from growsearch.statistics import (
    LEVEL,
    difference_interval,
    holm,
    permutation_p_value,
    probability_of_improvement,
    standard_deviation,
)


@dataclass(frozen=True)
class Pair:
    """`policy` minus `against`, over the seeds that both finished.

    `adjusted_p_value` is Holm's, None for pairs that are not called; `call` is "better", "worse" or None, of `policy`.
    """

    policy: str
    against: str
    seeds: int
    mean_difference: float
    standard_error: float | None
    interval: tuple[float, float] | None
    p_value: float
    adjusted_p_value: float | None
    probability_of_improvement: float
    wins: int
    losses: int
    call: str | None

    def plain(self) -> dict[str, Any]:
        """The entry of `results.json`."""
        return asdict(self)


def all_pairs(metric: Metric, policies: Policies, reference: str) -> list[Pair]:
    """Every two policies that share a seed: first each against the reference, then the others, in the file's order.

    The pairs with the reference are tested together: their p-values are adjusted for each other, and those at 5 % or
    below are called. Fewer than six seeds never get there: five differences of the same sign have p = 2 / 2**5.
    """
    others = [name for name in policies if name != reference]
    named = [(name, reference) for name in others]
    named += [(one, other) for index, one in enumerate(others) for other in others[index + 1 :]]
    pairs = [pair for one, other in named if (pair := paired(metric, policies, one, other))]
    called = tested_together(metric, [pair for pair in pairs if pair.against == reference])
    return called + pairs[len(called) :]


def tested_together(metric: Metric, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as one family of tests: p-values adjusted for each other by Holm's method, and called at 5 %."""
    adjusted = holm([pair.p_value for pair in pairs])
    return [
        replace(pair, adjusted_p_value=p, call=_call(metric, pair, p)) for pair, p in zip(pairs, adjusted, strict=True)
    ]


def _call(metric: Metric, pair: Pair, adjusted: float) -> str | None:
    if adjusted > LEVEL:
        return None
    return "better" if metric.better(pair.mean_difference, 0.0) else "worse"


def paired(metric: Metric, policies: Policies, first: str, second: str) -> Pair | None:
    """`first` minus `second` on the seeds that both finished; None where there is none."""
    ours, theirs = by_seed(policies[first], metric), by_seed(policies[second], metric)
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if not differences:
        return None
    gains = differences if metric.higher_is_better else [-difference for difference in differences]
    return Pair(
        policy=first,
        against=second,
        seeds=len(differences),
        mean_difference=fmean(differences),
        standard_error=standard_deviation(differences) / len(differences) ** 0.5 if len(differences) > 1 else None,
        interval=difference_interval(differences),
        p_value=permutation_p_value(differences),
        adjusted_p_value=None,
        probability_of_improvement=probability_of_improvement(gains),
        wins=sum(gain > 0 for gain in gains),
        losses=sum(gain < 0 for gain in gains),
        call=None,
    )


def by_seed(rows: Mapping[str, Sequence[Any]], metric: Metric) -> dict[int, float]:
    """The metric of a policy's finished seeds."""
    return dict(zip(rows["seeds"], rows[metric.key], strict=True))

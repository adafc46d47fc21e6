"""Two policies on the same seeds: how they differ, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

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

    `adjusted_p_value` is Holm's, None for pairs that are not tested; `direction` is that of `policy` where the
    difference is significant, otherwise None.
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
    direction: Literal["better", "worse"] | None

    @property
    def alone(self) -> bool:
        """Whether there is one difference only, which has no spread and cannot be tested."""
        return self.seeds == 1

    def turned(self) -> Pair:
        """Return the same pair, seen from the other side."""
        turned: dict[str | None, Literal["better", "worse"] | None] = {"better": "worse", "worse": "better"}
        return replace(
            self,
            policy=self.against,
            against=self.policy,
            mean_difference=-self.mean_difference,
            interval=self.interval and (-self.interval[1], -self.interval[0]),
            probability_of_improvement=1 - self.probability_of_improvement,
            wins=self.losses,
            losses=self.wins,
            direction=turned.get(self.direction),
        )


def renamed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded pair with the names that its fields have now: `direction` was `call` in older versions."""
    return {("direction" if key == "call" else key): value for key, value in plain.items()}


def all_pairs(metric: Metric, policies: Policies, reference: str) -> list[Pair]:
    """Every two policies that share a seed: first each against the reference, then the others, in the file's order.

    The pairs with the reference are tested together: their p-values are adjusted for each other, and those at 5 % or
    below are significant. Fewer than six seeds never get there: five differences of one sign have p = 2 / 2**5.
    """
    others = [name for name in policies if name != reference]
    named = [(name, reference) for name in others]
    named += [(one, other) for index, one in enumerate(others) for other in others[index + 1 :]]
    pairs = [pair for one, other in named if (pair := paired(metric, policies, one, other))]
    tested = tested_together(metric, [pair for pair in pairs if pair.against == reference])
    return tested + pairs[len(tested) :]


def tested_together(metric: Metric, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as one family of tests: p-values adjusted for each other by Holm's method, significant at 5 %."""
    adjusted = holm([pair.p_value for pair in pairs])
    return [
        replace(pair, adjusted_p_value=p, direction=_direction(metric, pair, p))
        for pair, p in zip(pairs, adjusted, strict=True)
    ]


def _direction(metric: Metric, pair: Pair, adjusted: float) -> Literal["better", "worse"] | None:
    if adjusted > LEVEL:
        return None
    return "better" if metric.better(pair.mean_difference, 0.0) else "worse"


def paired(metric: Metric, policies: Policies, first: str, second: str) -> Pair | None:
    """`first` minus `second` on the seeds that both finished; None where there is none.

    Args:
        metric: what policies are ranked by.
        policies: their results.
        first: a policy.
        second: another one.
    """
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
        direction=None,
    )


def by_seed(rows: Mapping[str, Sequence[Any]], metric: Metric) -> dict[int, float]:
    """The metric of a policy's finished seeds."""
    return dict(zip(rows["seeds"], rows[metric.key], strict=True))

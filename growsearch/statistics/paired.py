"""Paired runs: one difference per seed, its interval, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from growsearch.statistics.level import ENOUGH_SEEDS, LEVEL

_DIGITS = 10  # of a mean difference; what rounding does to one begins some 3 later
_RESAMPLES = 9_999  # all sign flips up to 13 seeds (2**13 = 8,192), so many random ones beyond


def difference_interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean of paired differences; None below six pairs.

    The percentile bootstrap, expanded: with few pairs the plain one is too short, by sqrt(1 - 1/n) and by the normal
    quantile in the place of Student's. Taking it at the confidence 1 - 2 Phi(-sqrt(n / (n-1)) t), where t is Student's
    upper 2.5 % quantile with n-1 degrees of freedom, corrects both (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap": the expanded percentile interval). Resampled 9,999 times, always in the same way.
    """
    count = len(differences)
    if count < ENOUGH_SEEDS:
        return None
    from scipy import stats  # slow to import

    reach = sqrt(count / (count - 1)) * stats.t.isf(LEVEL / 2, count - 1)
    result = stats.bootstrap(
        (np.asarray(differences, float),),
        np.mean,
        confidence_level=1 - 2 * stats.norm.sf(reach),
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def permutation_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value of a paired permutation test on the mean difference; 1 for a single pair.

    Were the two policies alike, each difference would have had either sign as likely. Exact over all 2**n flips of
    signs up to 13 pairs; beyond, over 9,999 random ones (always the same) and the observed one. Flips whose means are
    equal but for rounding count as ties: accuracies are fractions of one number of samples, so that there are many.
    """
    found = np.asarray(differences, float)
    whole = float(np.abs(found).sum())
    if len(found) == 1 or whole == 0:
        return 1.0
    from scipy import stats

    def mean(flipped: NDArray[np.float64], axis: int) -> Any:
        """In units of the largest that there is, without what rounding does to it."""
        return np.round(flipped.sum(axis) / whole, _DIGITS)

    result = stats.permutation_test(
        (found,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's step-down method, in the given order.

    Calling those at or below a level keeps the chance of any false call at that level, however the tests depend on
    each other (Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure").
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def probability_of_improvement(gains: Sequence[float]) -> float:
    """Share of the seeds on which the first is better than the second (a positive gain); a tie counts half."""
    return sum(1.0 if gain > 0 else 0.5 if gain == 0 else 0.0 for gain in gains) / len(gains)

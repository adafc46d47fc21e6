"""What so many seeds can show at all."""

from __future__ import annotations

from math import ceil, log2

from growsearch.statistics.level import LEVEL


def smallest_p_value(seeds: int, comparisons: int) -> float:
    """The least that an adjusted p-value can be: all differences of one sign, the smallest of all comparisons."""
    return min(1.0, comparisons * 2.0 ** (1 - seeds))


def seeds_needed(comparisons: int) -> int:
    """Fewest seeds with which the exact test can call a difference, after Holm's correction for all comparisons."""
    return ceil(1 + log2(comparisons / LEVEL))


def detectable_difference(standard_error: float, seeds: int, comparisons: int) -> float:
    """The true difference that would be called four times out of five, as one of so many comparisons.

    `standard_error` is that of the mean paired difference over `seeds`. By Student's t, of which the permutation test
    is close to the power, and the first step of Holm's correction: the strictest.
    """
    from scipy import stats  # slow to import

    level, power = LEVEL / comparisons / 2, 0.8
    return float(standard_error * (stats.t.isf(level, seeds - 1) + stats.t.ppf(power, seeds - 1)))

"""Numbers over seeds in one number."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev


def standard_deviation(values: Sequence[float]) -> float:
    """Standard deviation over seeds; 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean without the lowest and the highest quarter of the values (each rounded down to whole values)."""
    cut = len(values) // 4
    return fmean(sorted(values)[cut : len(values) - cut])

"""Paired differences of two policies' losses."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from growsearch.statistics import difference_interval, permutation_p_value


def against(losses: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """Mean of (one - other) over the seeds, its 95 % interval (None below six seeds), p and how many are lower."""
    paired = [one - other for one, other in zip(losses, others, strict=True)]
    return {
        "mean": round(fmean(paired), 5),
        "interval": difference_interval(paired),
        "p": permutation_p_value(paired),
        "lower": sum(each < 0 for each in paired),
    }

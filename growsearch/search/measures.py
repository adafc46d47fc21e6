"""From the results of a trial's seeds to the values and constraints of the trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import get_args

from growsearch.config import SearchConfig
from growsearch.config.search_config import ConstraintLimits, Measure
from growsearch.errors import GrowsearchError
from growsearch.runs.records import RunResult

MEASURES: tuple[str, ...] = get_args(Measure)


def measured(results: Sequence[RunResult]) -> dict[str, float]:
    """Mean over the seeds of every measure that all of them have."""
    values = {name: [result.value(name) for result in results] for name in MEASURES}
    known = {name: [value for value in each if value is not None] for name, each in values.items()}
    return {name: fmean(each) for name, each in known.items() if len(each) == len(results)}


def objective_values(search: SearchConfig, means: Mapping[str, float]) -> list[float]:
    """The value of every objective, in the file's order."""
    missing = [measure for _, measure in search.aims if measure not in means]
    if missing:
        raise GrowsearchError(f"the runs report no {', '.join(missing)} (they report {', '.join(means)})")
    return [means[measure] for _, measure in search.aims]


def violations(search: SearchConfig, results: Sequence[RunResult]) -> dict[str, float]:
    """By how much each limit is broken, as a share of the limit; 0 or less where it is kept.

    A trial keeps a limit when every seed does.
    """
    broken: dict[str, float] = {}
    for measure, limits in search.limits.items():
        values = [value for result in results if (value := result.value(measure)) is not None]
        if not values:
            raise GrowsearchError(f"the runs report no {measure}, which a constraint limits")
        if limits.max is not None:
            broken[f"{measure}.max"] = _share(max(values) - limits.max, limits.max)
        if limits.min is not None:
            broken[f"{measure}.min"] = _share(limits.min - min(values), limits.min)
    return broken


def describe_limits(limits: Mapping[str, ConstraintLimits]) -> str:
    """The constraints in words."""
    words = [
        f"{measure} {sign} {limit:g}"
        for measure, one in limits.items()
        for sign, limit in (("≤", one.max), ("≥", one.min))
        if limit is not None
    ]
    return ", ".join(words)


def _share(excess: float, limit: float) -> float:
    return excess / abs(limit) if limit else excess

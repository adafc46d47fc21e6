"""Points of a space as rows of numbers, for models of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Array = NDArray[np.floating[Any]]
_WHEN, _OF_GROWTH = "growth.when", ("growth.where", "growth.how")


def rows(known: Mapping[str, BaseDistribution], points: Iterable[Mapping[str, Any]]) -> Array:
    """Return a row for each point: see `coordinates`; not a number where a point has no such parameter.

    Where and how count only where the network grows.
    """
    return np.array([_row(known, point) for point in points])


def _row(known: Mapping[str, BaseDistribution], point: Mapping[str, Any]) -> list[float]:
    grows = point.get(_WHEN) != "never"
    counts = {name: value for name, value in point.items() if grows or not name.startswith(_OF_GROWTH)}
    return [part for name, one in known.items() for part in coordinates(one, counts.get(name))]


def coordinates(distribution: BaseDistribution, value: Any) -> list[float]:
    """Return where a value lies in its range, from 0 to 1, on a logarithmic scale where the range has one.

    A choice has a number for each of what it chooses from, so that two that differ are 1 apart.
    """
    if isinstance(distribution, CategoricalDistribution):
        if value is None and None not in distribution.choices:
            return [math.nan] * len(distribution.choices)
        return [math.sqrt(0.5) * (choice == value) for choice in distribution.choices]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if value is None:
        return [math.nan]
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return [(value - low) / (high - low) if high > low else 0.0]

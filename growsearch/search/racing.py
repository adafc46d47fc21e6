"""Which of a few configurations is the best, by runs of all of them with the same fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

_LEVEL = 0.95  # one-sided, at which a candidate is a clear loser
_DRAWS = 20_000
_ROUNDING = 1e-12  # of numbers that are the same

Array = NDArray[np.floating[Any]]
Costs = Mapping[int, Sequence[float]]  # of each candidate, by seed in the same order; a failed run costs infinity


@dataclass(frozen=True)
class Estimate:
    """What a candidate costs by the fresh runs, how surely, and how probable it is that none costs less."""

    mean: float
    error: float
    probability: float


def survivors(costs: Costs) -> list[int]:
    """The candidates that are no clear losers, after equally many seeds each.

    The model is cost = candidate + seed + noise of one variance for all (a two-way layout without interaction). One is
    dropped when its mean is above the lowest by more than the 95 % quantile of Student's t times the standard error of
    a difference, or when one of its runs failed, unless all have such a run.
    """
    sound = [one for one, values in costs.items() if all(map(math.isfinite, values))]
    if len(sound) < 2:
        return sound or list(costs)
    table = np.array([costs[one] for one in sound])
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    if freedom == 0:
        return sound
    means = table.mean(1)
    limit = float(student.ppf(_LEVEL, freedom)) * _noise(table) * math.sqrt(2 / table.shape[1])
    return [one for one, mean in zip(sound, means, strict=True) if mean - means.min() <= limit]


def estimates(costs: Costs) -> dict[int, Estimate]:
    """The same model where some were dropped after fewer seeds, fitted by least squares.

    The probability is that of the lowest cost, under a flat prior: means around the estimates, the variance from a
    scaled inverse chi-square, `_DRAWS` times, always with the same numbers. A candidate with a failed run has none.
    """
    sound = {one: values for one, values in costs.items() if values and all(map(math.isfinite, values))}
    lost = {one: Estimate(math.inf, math.nan, 0.0) for one in costs if one not in sound}
    if not sound:
        return lost
    names, seeds = list(sound), max(map(len, sound.values()))
    rows = [(place, seed, value) for place, one in enumerate(names) for seed, value in enumerate(sound[one])]
    design = np.zeros((len(rows), len(names) + seeds - 1))
    for index, (place, seed, _) in enumerate(rows):
        design[index, place] = 1.0
        design[index, len(names) :] = -1.0 / seeds  # means are at the average seed
        if seed:
            design[index, len(names) + seed - 1] += 1.0
    target = np.array([value for *_, value in rows])
    fitted, *_ = np.linalg.lstsq(design, target, rcond=None)
    freedom = len(rows) - int(np.linalg.matrix_rank(design))
    spread = np.linalg.pinv(design.T @ design)[: len(names), : len(names)]
    residual = target - design @ fitted
    variance = float(residual @ residual) / freedom if freedom > 0 else math.nan
    means = fitted[: len(names)]
    chances = _chances(means, spread, variance, freedom)
    return lost | {
        one: Estimate(float(means[place]), math.sqrt(variance * spread[place, place]), float(chances[place]))
        for place, one in enumerate(names)
    }


def _noise(table: Array) -> float:
    """The standard deviation of what candidate and seed do not explain."""
    left = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    return float(np.sqrt((left**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1))))


def _chances(
    means: Array,
    spread: Array,
    variance: float,
    freedom: int,
) -> Array:
    """How often each mean is the lowest of draws from their distribution."""
    if len(means) == 1 or not variance > (_ROUNDING * np.abs(means).max()) ** 2:
        lowest = np.isclose(means, means.min(), rtol=_ROUNDING, atol=0)
        return np.array(lowest, dtype=float) / int(lowest.sum())
    drawn = np.random.default_rng(0)
    scale = np.sqrt(variance * freedom / drawn.chisquare(freedom, _DRAWS))
    noise = drawn.multivariate_normal(np.zeros(len(means)), spread, _DRAWS, method="eigh")
    lowest = (means + scale[:, None] * noise).argmin(1)
    return np.bincount(lowest, minlength=len(means)) / _DRAWS

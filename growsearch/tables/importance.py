"""What matters: how much of the differences between a table's configurations each part of the space explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from scipy.stats import qmc

from growsearch.search.drawing import point_at
from growsearch.tables.encoding import rows
from growsearch.tables.surrogate import features, forest
from growsearch.tables.table import GrowthTable

Array = NDArray[np.floating[Any]]
_REACH = 1.96  # standard errors
_LEAF = 3  # configurations, at least


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval by the bootstrap over configurations."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """What a group of parameters explains of the variance: `alone`, and with its part in all interactions (`total`)."""

    alone: Interval
    total: Interval


def groups_of(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the parameters of a space by what they decide about a growing network."""

    def group(name: str) -> str:
        for part in ("when", "where", "how"):
            if name == f"growth.{part}":
                return part
            if name.startswith(f"growth.{part}."):
                return f"parameters of {part}"
        if name.rsplit(".", 1)[-1] == "lr":
            return "learning rate"
        if name == "training.optimizer":
            return "optimizer"
        return "seed network's size" if name.startswith("network.") else name

    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        found[group(name)] = (*found.get(group(name), ()), name)
    return found


class Anova:
    """Functional analysis of variance (Hutter et al., 2014) of a forest, over the whole of a space.

    The parameters are uniform in their ranges and independent, and those that an option does not have make no
    difference, so first-order and total shares are Sobol's indices, here for groups (Saltelli et al., 2010, table 2: b
    and f, on a quasi-random design of two matrices).
    """

    def __init__(self, table: GrowthTable, points: int = 2048, trees: int = 100) -> None:
        """Prepare the design.

        Args:
            table: whose space it is.
            points: of a matrix; a power of 2.
            trees: of a forest.
        """
        self.groups = groups_of(table.parameters)
        self._trees, self._known = trees, table.distributions
        self._inputs = features(rows(self._known, map(table.point, range(len(table)))))
        names = list(table.parameters)
        drawn = qmc.Sobol(2 * len(names), scramble=True, rng=np.random.default_rng(0)).random(points)
        one, other = drawn[:, : len(names)], drawn[:, len(names) :]
        self._one, self._other = self._encoded(table, one), self._encoded(table, other)
        self._mixed: dict[str, Array] = {}
        for group, members in self.groups.items():
            mixed = one.copy()
            taken = [names.index(member) for member in members]
            mixed[:, taken] = other[:, taken]
            self._mixed[group] = self._encoded(table, mixed)

    def importances(self, target: Array, repeats: int = 100) -> dict[str, Importance]:
        """Return what every group explains of `target` `[C]`, of the better half where that is capped at its median.

        `repeats` are those of the bootstrap; configurations whose target is not finite are left out.
        """
        whole = self._shares(target, None)
        again = [self._shares(target, np.random.default_rng(repeat)) for repeat in range(repeats)]
        return {
            group: Importance(*(_interval(whole[group][kind], [one[group][kind] for one in again]) for kind in (0, 1)))
            for group in self.groups
        }

    def option_means(self, target: Array, parameter: str, repeats: int = 100) -> dict[str, Interval]:
        """Return the mean of `target` for every option of a choice, over all that the rest of the space may be."""
        distribution = self._known[parameter]
        assert isinstance(distribution, CategoricalDistribution)
        models = [self._trained(target, None)]
        models += [self._trained(target, np.random.default_rng(repeat)) for repeat in range(repeats)]
        found = {}
        for option in distribution.choices:
            place = self._column(parameter) + distribution.choices.index(option)
            with_it = self._one[self._one[:, place] > 0]
            means = [float(model.predict(with_it).mean()) for model in models]
            found[str(option)] = _interval(means[0], means[1:])
        return found

    def _column(self, parameter: str) -> int:
        """The first of a parameter's columns."""
        width = {n: len(getattr(d, "choices", (0,))) for n, d in self._known.items()}
        return sum(width[name] for name in list(self._known)[: list(self._known).index(parameter)])

    def _encoded(self, table: GrowthTable, places: Array) -> Array:
        points = [point_at(table.space, dict(zip(table.parameters, map(float, row), strict=True))) for row in places]
        return features(rows(self._known, points))

    def _trained(self, target: Array, random: np.random.Generator | None) -> Any:
        """A forest of all configurations, or of a resample: one drawn twice weighs twice, and is one in a leaf."""
        kept = np.flatnonzero(np.isfinite(target))
        weights = np.ones(len(kept))
        if random is not None:
            weights = np.bincount(random.integers(len(kept), size=len(kept)), minlength=len(kept)).astype(float)
        drawn = kept[weights > 0]
        return forest(self._trees, leaf=_LEAF).fit(self._inputs[drawn], target[drawn], weights[weights > 0])

    def _shares(self, target: Array, random: np.random.Generator | None) -> Mapping[str, tuple[float, float]]:
        """First-order and total share by group, of a forest of the configurations, or of a resample of them."""
        model = self._trained(target, random)
        one, other = model.predict(self._one), model.predict(self._other)
        both = np.concatenate([one, other])
        middle, variance = float(both.mean()), float(both.var())
        found = {}
        for group, mixed in self._mixed.items():
            between = model.predict(mixed)
            alone = float(((other - middle) * (between - one)).mean()) / variance
            total = float(((one - between) ** 2).mean()) / (2 * variance)
            found[group] = (alone, total)
        return found


def _interval(value: float, again: Sequence[float]) -> Interval:
    """The figure of all configurations, and 1.96 standard errors by the bootstrap to both sides.

    Its percentiles would lie beside the figure: a forest of a resample knows only two of three configurations.
    """
    error = float(np.std(again, ddof=1)) if len(again) > 1 else 0.0
    return Interval(value, value - _REACH * error, value + _REACH * error)

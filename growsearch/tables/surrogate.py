"""A model of a table: what configurations between those of the table would come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold

from growsearch.tables.encoding import rows
from growsearch.tables.outcomes import COSTS, Outcomes, Pool

Array = NDArray[np.floating[Any]]
_ABSENT = -1.0  # what a forest is given for a parameter that a configuration does not have
_FOLDS = 5
_DONORS = 10  # configurations that the noise of a point may be of
SEEDS = 8  # that a point has at least: those of a search, of a race, and one to judge by
_LEAST = 1e-3  # share of samples, so that all right and all wrong have odds


def forest(trees: int = 200, seed: int = 0, leaf: int = 1) -> ExtraTreesRegressor:
    """Return an untrained model: extremely randomised trees (Geurts et al., 2006), every feature tried at a split."""
    return ExtraTreesRegressor(trees, min_samples_leaf=leaf, max_features=1.0, random_state=seed, n_jobs=1)


def features(encoded: Array) -> Array:
    """Return rows without gaps."""
    return np.nan_to_num(encoded, nan=_ABSENT)


@dataclass(frozen=True)
class Quality:
    """How well a model tells configurations that it was not trained on: R² and rank correlation, five folds."""

    r2: float
    rank: float
    rank_better_half: float


class Surrogate:
    """Curves of any point of a table's space: the mean by a forest, the noise of seeds from its configurations.

    Losses, FLOPs and seconds are learned as logarithms, accuracies as log odds. The noise of a seed is by how much its
    curves differ from their mean in a configuration that ends about as good as the point, one of ten, or as many of
    these as it takes for `SEEDS` seeds; a run fails where it failed there. Differences from the mean of S seeds are
    made larger by sqrt(S / (S - 1)), so that their variance is that of a run. Noise depends far more on how good a
    configuration is than on where in the space it lies. No value is beyond those of the table. Numbers are given in the
    order in which points come.
    """

    def __init__(self, pool: Pool, trees: int = 200) -> None:
        """Learn the curves of a pool."""
        self.pool = pool
        self.shares, self.unit, self.largest = pool.shares, pool.unit, pool.largest
        self.seeds = max(SEEDS, pool.seeds)
        self._known = pool.table.distributions
        self._rows = rows(self._known, map(pool.table.point, range(pool.count)))
        self._curves = _Curves.of(pool)
        self._forest = forest(trees).fit(features(self._rows), self._curves.means())
        self._trees = trees
        self._made: list[Outcomes] = []
        self._truths: list[dict[str, float]] = []

    def fresh(self) -> Surrogate:
        """Return the same model with no points yet."""
        other = object.__new__(Surrogate)
        other.__dict__ |= {**self.__dict__, "_made": [], "_truths": []}
        return other

    def settle(self, point: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the number that a point has from now on, and the point."""
        encoded = rows(self._known, [point])
        row = features(encoded).astype(np.float32)
        trees = [tree.tree_.predict(row) for tree in self._forest.estimators_]  # the forest's own way is far slower
        mean = np.mean(trees, axis=0).reshape(-1)
        random = np.random.default_rng(np.frombuffer(row.tobytes(), np.uint32))  # the point's own
        donors = self._curves.donors(mean, math.ceil(self.seeds / self.pool.seeds), random)
        succeeds = np.concatenate([self.pool.outcomes(donor).succeeds for donor in donors])
        seeds = random.permutation(len(succeeds))[: self.seeds]
        outcomes, truths = self._curves.outcomes(mean, donors, seeds, succeeds)
        self._made.append(outcomes)
        self._truths.append(truths)
        return len(self._made) - 1, dict(point)

    def outcomes(self, number: int) -> Outcomes:
        """Return those of a point."""
        return self._made[number]

    def truth(self, number: int, measure: str) -> float:
        """Return a measure at the end, without the noise of seeds, as a cost."""
        return self._truths[number][measure]

    @cached_property
    def quality(self) -> dict[str, Quality]:
        """How well measures at the end, and at a fifth of the schedule, are told of configurations left out."""
        return {name: self._quality(column) for name, column in self._curves.told().items()}

    def _quality(self, target: Array) -> Quality:
        found, inputs = np.empty_like(target), features(self._rows)
        for train, held_out in KFold(_FOLDS, shuffle=True, random_state=0).split(inputs):
            found[held_out] = forest(self._trees).fit(inputs[train], target[train]).predict(inputs[held_out])
        better = target <= np.median(target)
        left = float(((target - found) ** 2).sum() / ((target - target.mean()) ** 2).sum())
        return Quality(
            1 - left,
            float(spearmanr(found, target).statistic),
            float(spearmanr(found[better], target[better]).statistic),
        )


@dataclass(frozen=True, eq=False)
class _Curves:
    """All curves of a pool by name, `[C, S, E]`, losses, FLOPs and seconds as logarithms, accuracies as log odds."""

    by_name: dict[str, Array]
    final: frozenset[str]

    @classmethod
    def of(cls, pool: Pool) -> _Curves:
        every = [pool.outcomes(number) for number in range(pool.count)]
        found = {name: np.stack([one.measures[name] for one in every]).astype(float) for name in every[0].measures}
        found |= {"flops": np.stack([one.flops for one in every]), "seconds": np.stack([one.seconds for one in every])}
        final = frozenset(COSTS.keys() & pool.table.final.keys())
        for name in sorted(final):  # as a curve that is the same all along
            found[name] = np.broadcast_to(pool.table.final[name][: pool.count, :, None], found["flops"].shape)
        return cls({name: _filled(name, _inside(name, array)) for name, array in found.items()}, final)

    def means(self) -> Array:
        return np.concatenate([array.mean(axis=1) for array in self.by_name.values()], axis=1)

    def told(self) -> dict[str, Array]:
        """What a model is judged by: costs `[C]` by name."""
        found: dict[str, Array] = {}
        for name in COSTS:
            if name in self.by_name:
                array = COSTS[name] * self.by_name[name].mean(axis=1)
                found[f"{name} at the end"] = array[:, -1]
                if name not in self.final:
                    found[f"{name} at a fifth"] = array[:, max(0, array.shape[1] // 5 - 1)]
        return found

    def donors(self, mean: Array, count: int, random: np.random.Generator) -> list[int]:
        """Some of the configurations whose loss at the end is nearest to a predicted one."""
        end = self._parts(mean)["validation_loss"][-1]
        gaps = np.abs(self.by_name["validation_loss"][:, :, -1].mean(axis=1) - end)
        near = gaps.argsort()[:_DONORS]
        return [int(one) for one in random.choice(near, count, replace=count > len(near))]

    @cached_property
    def _widening(self) -> float:
        """From differences to the mean of the seeds that there are to differences to that of all."""
        count = next(iter(self.by_name.values())).shape[1]
        return math.sqrt(count / (count - 1)) if count > 1 else 1.0

    @cached_property
    def _bounds(self) -> dict[str, tuple[Array, Array]]:
        """The lowest and the highest value at every evaluation."""
        return {name: (array.min(axis=(0, 1)), array.max(axis=(0, 1))) for name, array in self.by_name.items()}

    def _parts(self, mean: Array) -> dict[str, Array]:
        return dict(zip(self.by_name, np.split(mean, len(self.by_name)), strict=True))

    def outcomes(
        self, mean: Array, donors: list[int], seeds: NDArray[np.int64], succeeds: NDArray[np.bool_]
    ) -> tuple[Outcomes, dict[str, float]]:
        """A predicted mean with the noise of some configurations, and the measures at the end without it, as costs.

        Args:
            mean: of all curves, one behind the other.
            donors: the configurations.
            seeds: places of the seeds that are taken, in their order, among those of all donors one after the other.
            succeeds: which of the donors' runs do.
        """
        parts, drawn = self._parts(mean), {}
        for name, array in self.by_name.items():
            differences = array[donors] - array[donors].mean(axis=1, keepdims=True)
            noise = differences.reshape(-1, array.shape[-1])[seeds] * self._widening
            drawn[name] = _outside(name, np.clip(parts[name] + noise, *self._bounds[name]))
        flops, seconds = (np.maximum.accumulate(drawn.pop(name), axis=1) for name in ("flops", "seconds"))
        truths = {name: COSTS[name] * float(_outside(name, parts[name])[-1]) for name in drawn}
        return Outcomes(drawn, flops, seconds, succeeds[seeds]), truths


def _inside(name: str, array: Array) -> Array:
    if name.endswith("accuracy"):
        kept = np.clip(array, _LEAST, 1 - _LEAST)
        return np.asarray(np.log(kept / (1 - kept)))
    return np.log(np.maximum(array, 1e-9))


def _outside(name: str, array: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-array))) if name.endswith("accuracy") else np.exp(array)


def _filled(name: str, array: Array) -> Array:
    """With the worst of an evaluation where a run did not come so far."""
    worst = np.nanmax(array, axis=(0, 1)) if not name.endswith("accuracy") else np.nanmin(array, axis=(0, 1))
    return np.where(np.isnan(array), worst, array)

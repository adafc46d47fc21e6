"""Which configuration a replayed search tries next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from growsearch.config import SearchConfig
from growsearch.search.drawing import Drawn, draw, record
from growsearch.search.study import ORDINAL, PRIOR, Plan, Study, create_study
from growsearch.tables.encoding import rows
from growsearch.tables.outcomes import Pool

Array = NDArray[np.floating[Any]]


class Proposer(Protocol):
    """Draws configurations, and is told what they came to; costs are infinite where a run failed."""

    def propose(self) -> int | None:
        """Return the number of a configuration that was not proposed before; None where there is none left."""

    def at_rung(self, number: int, step: int, cost: float) -> None:
        """Hear what a configuration costs at a rung."""

    def ended(self, number: int, cost: float, stopped: bool) -> None:
        """Hear what it costs at its end, or that it was stopped at the last rung that was told."""


class Shuffled:
    """Random sampling without repeats: the configurations of a pool in a random order, some of them first."""

    def __init__(self, count: int, random: np.random.Generator, first: tuple[int, ...] = ()) -> None:
        """Shuffle `count` configurations."""
        order = [int(one) for one in random.permutation(count)]
        self._order = iter([*first, *(one for one in order if one not in first)])

    def propose(self) -> int | None:
        return next(self._order, None)

    def at_rung(self, number: int, step: int, cost: float) -> None:
        """Random sampling learns nothing."""

    def ended(self, number: int, cost: float, stopped: bool) -> None:
        """Random sampling learns nothing."""


class Places(Protocol):
    """Turns a point that a sampler proposes into a configuration that is known, with its own point."""

    def settle(self, point: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None: ...


class Sampled:
    """A sampler as `growsearch search` draws with it: quasi-random starts, failures shown as the worst."""

    def __init__(
        self, space: Mapping[str, Any], places: Places, sampler: str, seed: int, first: tuple[dict[str, Any], ...] = ()
    ) -> None:
        """Begin a study in memory.

        Args:
            space: the sections with their ranges.
            places: where its points lead.
            sampler: by name.
            seed: of the sampler.
            first: points that are tried before it draws.
        """
        search = SearchConfig.model_validate({"sampler": sampler, "seed": seed})
        plan = Plan(dict(space), search, {})
        self._study: Study = create_study(InMemoryStorage(), "replay", plan, Path())
        self._places, self._first = places, list(first)
        self._trials: dict[int, int] = {}

    def propose(self) -> int | None:
        ordinal = len(self._trials)
        begun = optuna.create_trial(state=TrialState.RUNNING, user_attrs={ORDINAL: ordinal, "measures": {}})
        id = self._study.storage.create_new_trial(self._study.id, begun)
        trial = self._study.storage.get_trial(id)
        drawn = Drawn(self._first.pop(0)) if self._first else draw(self._study, trial, 0)
        settled = self._places.settle(drawn.parameters)
        if settled is None:
            return None
        number, own = settled
        record(self._study, trial, own)
        if drawn.prior:
            self._study.storage.set_trial_user_attr(id, PRIOR, True)
        self._trials[number] = id
        return number

    def at_rung(self, number: int, step: int, cost: float) -> None:
        if math.isfinite(cost):
            self._study.storage.set_trial_intermediate_value(self._trials[number], step, cost)

    def ended(self, number: int, cost: float, stopped: bool) -> None:
        id, storage = self._trials[number], self._study.storage
        if stopped:
            storage.set_trial_state_values(id, TrialState.PRUNED)
        elif math.isfinite(cost):
            storage.set_trial_state_values(id, TrialState.COMPLETE, [cost])
        else:
            storage.set_trial_user_attr(id, "reason", "failed")
            storage.set_trial_state_values(id, TrialState.FAIL)


class Nearest:
    """The configuration of a pool that is nearest to a point and was not taken before.

    Parameters are scaled to their ranges, logarithms where these have them; two choices that differ are 1 apart, and
    parameters that only one of the two has count nothing beside that.
    """

    def __init__(self, pool: Pool) -> None:
        """Prepare the distances."""
        self._pool = pool
        self._known = pool.table.distributions
        self._rows = rows(self._known, map(pool.table.point, range(pool.count)))
        self._free: NDArray[np.bool_] = np.ones(pool.count, dtype=bool)

    def settle(self, point: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if not self._free.any():
            return None
        gaps = self._rows - rows(self._known, [point])
        distances = np.where(self._free, np.nansum(gaps**2, axis=1), np.inf)
        number = int(distances.argmin())
        self._free[number] = False
        return number, self._pool.table.point(number)

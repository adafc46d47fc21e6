"""A table of growth in memory: configurations x seeds x evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from growsearch.search.space import distributions, plain_of

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.floating[Any]]
Words = NDArray[np.str_]

COMPLETE = "complete"  # the state of a run that trained to its end; others tell how it failed
ABSENT = "absent"  # of one that was not trained (yet)


@dataclass(frozen=True, eq=False)
class GrowthTable:
    """Runs of C configurations with S seeds, each evaluated at E shares of its schedule.

    `values` `[C, P]` are the parameters in Optuna's internal representation (of a choice the place of what was
    chosen), not a number where the configuration has no such parameter. `shares` `[E]` rise to 1: of the run's steps,
    or of its training FLOPs where these end it. `curves` `[C, S, E]` and `final` `[C, S]` are by name, not a number
    where a run did not come so far. `states` `[C, S]` are `complete`, `diverged`, `memory`, `refused`, `error` or
    `absent`; `reasons` says why, by configuration and place of the seed. `about` is the data sheet, plain data.
    """

    name: str
    space: Mapping[str, Any]
    parameters: tuple[str, ...]
    values: Array
    seeds: NDArray[np.int64]
    shares: Array
    curves: Mapping[str, Array]
    final: Mapping[str, Array]
    states: Words
    reasons: Mapping[tuple[int, int], str]
    about: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What every parameter ranges over."""
        return distributions(self.space)

    def point(self, configuration: int) -> dict[str, Any]:
        """Return the parameters of a configuration, by name, without those that it does not have."""
        row = zip(self.parameters, self.values[configuration], strict=True)
        return {name: self._outside(name, float(value)) for name, value in row if not math.isnan(value)}

    def plain(self, configuration: int) -> dict[str, Any]:
        """Return the sections of a run file with which `growsearch run` trains a configuration again."""
        return plain_of(self.space, self.point(configuration))

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which runs trained to their end, `[C, S]`."""
        return np.asarray(self.states == COMPLETE)

    def ends(self, measure: str) -> Array:
        """Return a measure at the end of every run, `[C, S]`: a final figure, or the last value of a curve.

        Raises `KeyError` for a measure that the table does not have.
        """
        return self.final[measure] if measure in self.final else self.curves[measure][:, :, -1]

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return one row a run, as arrays by name: configuration, seed, state, parameters, and measures at the end.

        Choices are text; what a configuration does not have is not a number, or an empty text.
        """
        configurations, seeds = len(self), len(self.seeds)
        found: dict[str, NDArray[Any]] = {
            "configuration": np.repeat(np.arange(configurations), seeds),
            "seed": np.tile(self.seeds, configurations),
            "state": self.states.reshape(-1),
        }
        for place, name in enumerate(self.parameters):
            found[name] = np.repeat(self._column(name, self.values[:, place]), seeds)
        for name in dict.fromkeys([*self.curves, *self.final]):
            found[name] = self.ends(name).reshape(-1)
        return found

    def frame(self) -> pandas.DataFrame:
        """Return `columns` as a data frame; raises `ImportError` where pandas is not installed."""
        import pandas

        return pandas.DataFrame(self.columns())

    def _column(self, name: str, values: Array) -> NDArray[Any]:
        if hasattr(self.distributions[name], "choices"):
            return np.array(["" if math.isnan(value) else str(self._outside(name, value)) for value in values])
        return values

    def _outside(self, name: str, value: float) -> Any:
        return self.distributions[name].to_external_repr(value)

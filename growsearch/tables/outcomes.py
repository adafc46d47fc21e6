"""What a configuration would come to if a search trained it, with each of some seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from growsearch.tables.table import GrowthTable

Array = NDArray[np.floating[Any]]
COSTS = {"validation_loss": 1.0, "validation_accuracy": -1.0, "test_loss": 1.0, "test_accuracy": -1.0}
"""Signs that make measures costs."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Curves of one configuration, `[S, E]`: measures by name, training FLOPs and seconds; and which seeds succeed.

    A run that fails ends where its curve does: it has used the FLOPs of its last evaluation.
    """

    measures: Mapping[str, Array]
    flops: Array
    seconds: Array
    succeeds: NDArray[np.bool_]

    def cost_at(self, measure: str, seed: int, place: int) -> float:
        """Return a measure at an evaluation as a cost: less is better; infinity where the run has failed by then."""
        value = float(self.measures[measure][seed, place])
        return COSTS[measure] * value if np.isfinite(value) else np.inf

    def end(self, measure: str, seed: int) -> float:
        """Return a measure at the end as a cost; infinity where the run fails."""
        return self.cost_at(measure, seed, -1) if self.succeeds[seed] else np.inf

    @cached_property
    def whole(self) -> float:
        """Training FLOPs of a run, the mean over seeds."""
        return float(np.mean(self.flops[:, -1]))


class Source(Protocol):
    """Where a replay's configurations come from, each by a number."""

    @property
    def shares(self) -> Array: ...

    @property
    def unit(self) -> float: ...

    @property
    def seeds(self) -> int: ...

    def outcomes(self, number: int) -> Outcomes: ...


class Pool:
    """The configurations of a table themselves."""

    def __init__(self, table: GrowthTable, configurations: int | None = None) -> None:
        """Prepare the first `configurations` of a table, by default all."""
        self.table = table
        self.count = len(table) if configurations is None else min(configurations, len(table))
        kept = slice(self.count)
        self.shares = table.shares
        self.seeds = len(table.seeds)
        self._flops = _held(table.curves["training_flops"][kept])
        self._seconds = _held(table.curves["seconds"][kept])
        self._measures = {name: table.curves[name][kept] for name in COSTS if name in table.curves}
        self._succeeds = table.complete[kept]
        self._made: dict[int, Outcomes] = {}

    @cached_property
    def unit(self) -> float:
        """Training FLOPs of a run that does not fail, the mean over configurations and seeds."""
        return float(self._flops[:, :, -1][self._succeeds].mean())

    @cached_property
    def largest(self) -> float:
        """Training FLOPs of the most expensive run."""
        return float(self._flops[:, :, -1].max())

    def outcomes(self, number: int) -> Outcomes:
        """Return those of a configuration."""
        if number not in self._made:
            measures = {name: array[number] for name, array in self._measures.items()}
            flops, seconds = self._flops[number], self._seconds[number]
            self._made[number] = Outcomes(measures, flops, seconds, self._succeeds[number])
        return self._made[number]

    @property
    def costs(self) -> list[str]:
        """The measures that the table has of those that choices are judged by."""
        return [name for name in COSTS if self.has(name)]

    def has(self, measure: str) -> bool:
        """Whether the table has a measure."""
        return measure in self.table.curves or measure in self.table.final

    def truths(self, measure: str) -> Array:
        """Return a measure at the end of every run `[C, S]`, as a cost; infinity where it failed.

        Choices see validation curves only: the test's figures are of other samples.
        """
        ends = COSTS[measure] * self.table.ends(measure)[: self.count]
        return np.where(self._succeeds & np.isfinite(ends), ends, np.inf)


def _held(curves: Array) -> Array:
    """Curves `[C, S, E]` that stay where they end; 0 where they never begin."""
    held = np.array(curves, dtype=float)
    held[:, :, 0] = np.nan_to_num(held[:, :, 0])
    for place in range(1, held.shape[-1]):
        held[:, :, place] = np.where(np.isnan(held[:, :, place]), held[:, :, place - 1], held[:, :, place])
    return held

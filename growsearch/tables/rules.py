"""How a search spends its budget and chooses, as a replay needs to know it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from scipy.stats import spearmanr

from growsearch.config import SearchConfig
from growsearch.config.search_config import RaceConfig
from growsearch.search.rung_quality import ENOUGH, RungQuality
from growsearch.search.samplers import FIRST, REDUCTION

Measure = Literal["validation_loss", "validation_accuracy"]


@dataclass(frozen=True)
class Rung:
    """Where trials are compared: at a share of their own schedules, or of the FLOPs of the most expensive run."""

    share: float
    of: Literal["schedule", "largest_flops"] = "schedule"


@dataclass(frozen=True)
class Rule:
    """The settings of a search. By default those of `growsearch search`.

    With `promotion` a trial stops at every rung and goes on whenever it is among the best third there; otherwise it
    goes on at once or never (Optuna's successive halving). `holds_back`: rungs that tell too little end no trial.
    `race`: None for the default's share of the budget.
    """

    measure: Measure = "validation_loss"
    seeds: int = 1
    rungs: tuple[Rung, ...] = (Rung(FIRST),)
    promotion: bool = False
    reduction: int = REDUCTION
    holds_back: bool = True
    race: RaceConfig | Literal["none"] | None = None

    def race_within(self, budget: float) -> RaceConfig | None:
        """Return the race that a search of so many runs' FLOPs has at its end, as `growsearch search` settles it."""
        search = SearchConfig(race=self.race)
        return search.planned_race(budget, lambda race: float(race.runs))


DEFAULT = Rule()
BEFORE = Rule(  # what growsearch search did by default at first
    measure="validation_accuracy",
    rungs=(Rung(1 / 9, "largest_flops"), Rung(1 / 3, "largest_flops")),
    holds_back=False,
    race="none",
)


@dataclass
class RungBoard:
    """What trials have come to at one rung."""

    reduction: int
    costs: dict[int, float] = field(default_factory=dict)
    promoted: set[int] = field(default_factory=set)
    ends: dict[int, float] = field(default_factory=dict)

    def keeps(self, trial: int, cost: float) -> bool:
        """Note a trial, and return whether it is among the best `1 / reduction` of those that were here by now."""
        self.costs[trial] = cost
        return math.isfinite(cost) and cost <= self._limit()

    def promotable(self) -> int | None:
        """Return the best trial of the best `1 / reduction` that was not promoted yet; None where there is none."""
        count = len(self.costs) // self.reduction
        best = sorted(self.costs, key=lambda trial: (self.costs[trial], trial))[:count]
        return next((one for one in best if one not in self.promoted and math.isfinite(self.costs[one])), None)

    def _limit(self) -> float:
        return sorted(self.costs.values())[max(0, len(self.costs) // self.reduction - 1)]

    def quality(self, share: float) -> RungQuality:
        """Return what the rung was worth by now, as a search measures it."""
        done = [one for one in self.ends if math.isfinite(self.ends[one]) and math.isfinite(self.costs[one])]
        if len(done) < ENOUGH:
            return RungQuality(share, len(done), None)
        return RungQuality(share, len(done), _spearman([self.costs[o] for o in done], [self.ends[o] for o in done]))


def _spearman(there: Sequence[float], ends: Sequence[float]) -> float | None:
    if len(set(ends)) == 1:
        return None
    return float(spearmanr(there, ends).statistic) if len(set(there)) > 1 else 0.0

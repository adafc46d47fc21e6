"""The `search` section of a file: what is optimised, how trials are chosen, and when the search ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from growsearch.config.models import Positive, Section

WITHOUT_BUDGET = "without budget"
"""Context in which a section is validated whose budget is kept elsewhere."""
Measure = Literal[
    "validation_accuracy",
    "validation_loss",
    "train_loss",
    "parameters",
    "active_parameters",
    "flops",
    "training_flops",
    "seconds",
]
WATCHED: tuple[Measure, ...] = ("validation_accuracy", "validation_loss", "train_loss")  # while a trial trains
WILCOXON_SEEDS = 5  # with fewer pairs before the last seed the test cannot fall below its threshold of 0.1


class ConstraintLimits(Section):
    """Limits of a search constraint."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a constraint has min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no value keeps both limits (found min {self.min:g} above max {self.max:g})")
        return self


class RaceConfig(Section):
    """The race at the end: the best trials are run again with fresh seeds, which choose."""

    top: Annotated[int, Field(ge=2)] = Field(5, description="trials that take part, the best by the search")
    seeds: Annotated[int, Field(ge=2)] = Field(4, description="fresh seeds of each; clear losers have fewer")

    @property
    def runs(self) -> int:
        """How many there are at most."""
        return self.top * self.seeds


# The default takes part of a budget by its size: the largest of these that takes at most this share, or none.
RACES = (RaceConfig(), RaceConfig(top=3, seeds=3), RaceConfig(top=2, seeds=2))
RACE_SHARE = 1 / 4


class SearchBudget(Section):
    """What a search may use in all, over all workers, baselines, failures and the race included."""

    trials: Annotated[int, Field(ge=1)] | None = Field(None, description="trials; the race is booked as their runs")
    flops: Positive | None = Field(None, description="training FLOPs")
    hours: Positive | None = Field(None, description="by the clock, without the time in which nothing ran")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [f"{name} {value:g}" for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of trials, flops and hours (found {', '.join(given) or 'none'})")
        return self


class SearchStop(Section):
    """What ends a search before its budget is used up; the race still follows."""

    target: float | None = Field(None, description="of the objective: one trial that reaches it is enough")
    without_improvement: Annotated[int, Field(ge=1)] | None = Field(
        None, description="trials in a row that are no better than the best before them"
    )

    @model_validator(mode="after")
    def _some_reason(self) -> Self:
        if self.target is None and self.without_improvement is None:
            raise ValueError("stop has target, without_improvement or both")
        return self


class SearchConfig(Section):
    """What a search does with a file's ranges."""

    trials: Annotated[int, Field(ge=1)] | None = Field(None, description="short for budget: {trials: N}")
    budget: SearchBudget | None = Field(None, description="null: 100 trials")
    stop: SearchStop | None = None
    objectives: Annotated[tuple[dict[Literal["minimize", "maximize"], Measure], ...], Field(min_length=1)] = (
        {"minimize": "validation_loss"},
    )
    constraints: tuple[dict[Measure, ConstraintLimits], ...] = ()
    sampler: Literal["tpe", "random", "nsga2", "gp", "cmaes", "qmc", "grid"] = Field(
        "tpe", description="what suggests the trials"
    )
    pruner: Literal["asha", "hyperband", "median", "wilcoxon", "none"] | None = Field(
        None, description="what ends bad trials early; null: asha, or none where there are several objectives"
    )
    seeds: Annotated[int, Field(ge=1)] = Field(1, description="runs of every trial: seeds 0 to N-1; means are compared")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the sampler: another tries other trials")
    start: tuple[str | dict[str, Any], ...] = Field(
        (), description="tried first: mappings of parameters, files, and folders of older searches (their best five)"
    )
    baselines: bool = Field(True, description="begin with the small network, the big one, and random growth")
    race: RaceConfig | Literal["none"] | None = Field(
        None,
        description="null: {top: 5, seeds: 4}, less where that is over 1/4 of the budget; several objectives: none",
    )
    lease: Positive = Field(60.0, description="seconds without a heartbeat after which another worker goes on")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for what, entries in (("objective", self.objectives), ("constraint", self.constraints)):
            if any(len(entry) != 1 for entry in entries):
                raise ValueError(f"every {what} is a mapping with one key")
        limited = [measure for entry in self.constraints for measure in entry]
        for what, measures in (("objective", [measure for _, measure in self.aims]), ("constraint", limited)):
            if len(set(measures)) < len(measures):
                raise ValueError(f"every {what} has a measure of its own (found {', '.join(measures)})")
        return self

    @model_validator(mode="after")
    def _towards_the_better(self) -> Self:
        for direction, measure in self.aims:
            better = "maximize" if measure == "validation_accuracy" else "minimize"
            if direction != better and measure in WATCHED:
                raise ValueError(f"objective {direction}: {measure} would look for the worst: allowed is {better}")
        return self

    @model_validator(mode="after")
    def _accuracies_are_shares(self) -> Self:
        limits = self.limits.get("validation_accuracy")
        if limits is not None and ((limits.min or 0) > 1 or (limits.max if limits.max is not None else 1) < 0):
            raise ValueError(f"validation_accuracy is between 0 and 1 (found {limits.model_dump(exclude_none=True)})")
        return self

    @model_validator(mode="after")
    def _a_pruner_that_can_prune(self) -> Self:
        if self.pruner in (None, "none"):
            return self
        if len(self.objectives) > 1:
            raise ValueError(f"several objectives are never pruned: leave pruner out (found {self.pruner})")
        if self.pruner != "wilcoxon" and self.aims[0][1] not in WATCHED:
            raise ValueError(
                f"{self.pruner} needs an objective that is measured while a trial trains: {', '.join(WATCHED)} "
                f"(found {self.aims[0][1]}; wilcoxon and none work with any)"
            )
        if self.pruner == "wilcoxon" and self.seeds < WILCOXON_SEEDS:
            raise ValueError(
                f"wilcoxon compares trials seed by seed, and needs at least {WILCOXON_SEEDS} seeds "
                f"(found seeds {self.seeds})"
            )
        return self

    @property
    def aims(self) -> tuple[tuple[str, str], ...]:
        """The objectives as (direction, measure)."""
        return tuple((direction, measure) for entry in self.objectives for direction, measure in entry.items())

    @property
    def limits(self) -> dict[str, ConstraintLimits]:
        """The constraints' limits by measure."""
        return {measure: limits for entry in self.constraints for measure, limits in entry.items()}

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.trials is not None and self.budget is not None:
            raise ValueError("trials is short for budget: {trials: N}: give one of them (found both)")
        return self

    @property
    def whole(self) -> SearchBudget:
        """The budget, with what `trials` and null stand for."""
        return self.budget or SearchBudget(trials=self.trials or 100)

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if len(self.objectives) > 1 and isinstance(self.race, RaceConfig):
            raise ValueError("several objectives have no winner: leave race out")
        if len(self.objectives) > 1 and self.stop is not None:
            raise ValueError("several objectives have no best value: leave stop out")
        return self

    @model_validator(mode="after")
    def _a_race_within_the_budget(self, info: ValidationInfo) -> Self:
        trials = self.whole.trials
        if not isinstance(self.race, RaceConfig) or trials is None or info.context == WITHOUT_BUDGET:
            return self
        taken = self.trials_of(self.race)
        if trials < taken + self.race.top:
            raise ValueError(
                f"the race of {self.race.top} with {self.race.seeds} seeds takes {taken} of the budget's trials, and "
                f"needs {self.race.top} to choose from: give budget.trials of {taken + self.race.top} or more, or a "
                f"smaller race (found {trials})"
            )
        return self

    def trials_of(self, race: RaceConfig) -> int:
        """How many trials' worth the runs of a race are."""
        return math.ceil(race.runs / self.seeds)

    def planned_race(self, whole: float, need: Callable[[RaceConfig], float]) -> RaceConfig | None:
        """The race that is kept back for: the one asked for, or the largest that needs no more than its share."""
        if self.race is not None:
            return next(iter(self.races), None)
        return next((race for race in self.races if need(race) <= RACE_SHARE * whole), None)

    @property
    def races(self) -> tuple[RaceConfig, ...]:
        """The races that there may be at the end, the most thorough first; none where it is left out."""
        if self.race == "none" or len(self.objectives) > 1:
            return ()
        return (self.race,) if self.race is not None else RACES

    @property
    def pruned_by(self) -> str:
        """The pruner's name, with what null stands for."""
        prunable = len(self.objectives) == 1 and self.aims[0][1] in WATCHED
        return self.pruner or ("asha" if prunable else "none")

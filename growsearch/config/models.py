"""The sections of a file as pydantic models: the fields, their types and limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

SCHEDULE_OPTIONS: dict[str, tuple[str, ...]] = {
    "constant": ("warmup",),
    "cosine": ("warmup", "final"),
    "step": ("warmup", "milestones", "factor"),
    "wsd": ("warmup", "decay", "final"),
}


ControlKind = Literal["retrained", "equal_compute", "small_equal_compute", "envelope"]
CONTROL_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)


class Section(BaseModel):
    """Base of the sections: immutable, no unknown keys, no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EnvelopeConfig(Section):
    """Fixed networks that a user could have had in place of a growing one, each with the grown run's FLOPs."""

    sizes: tuple[Positive, ...] = Field(
        (), description="values of network.depth or network.width, beside the seed's and the final size"
    )


class EnvelopeControl(Section):
    """The control `envelope` with its options."""

    envelope: EnvelopeConfig


class TuneConfig(Section):
    """Learning rates that every policy and control is tried with, on seeds that are not compared."""

    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=2)] = Field(
        (0.5, 1.0, 2.0), description="multiples of training.optimizer.lr"
    )
    pilot_seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = Field(
        (100,), description="seeds of the runs that choose, by the loss on validation data; none of the compared ones"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("learning_rates", "pilot_seeds"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} must rise (found {list(values)})")
        return self


def _refuse_foreign(section: BaseModel, name: str, options: dict[str, tuple[str, ...]], always: set[str]) -> None:
    foreign = sorted(section.model_fields_set - always - set(options[name]))
    if foreign:
        allowed = ", ".join([*sorted(always), *options[name]])
        raise ValueError(f"{name} has no {', '.join(foreign)} (allowed {allowed})")


class ScheduleConfig(Section):
    """How the learning rate changes; times are shares of the training, so they fit epochs and steps."""

    name: Literal["constant", "cosine", "step", "wsd"] = "constant"
    warmup: Share = Field(0.0, description="share of the training over which the rate rises linearly from 0")
    final: Share = Field(0.0, description="cosine and wsd: the rate at the end, as a share of lr")
    decay: Share = Field(0.2, description="wsd: the last share of the training, over which the rate falls")
    milestones: tuple[Share, ...] = Field((), description="step: after these shares of the training the rate drops")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="step: what each milestone multiplies it by")

    @model_validator(mode="after")
    def _only_its_own_options(self) -> Self:
        _refuse_foreign(self, self.name, SCHEDULE_OPTIONS, {"name"})
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise (found {list(self.milestones)})")
        return self


class AugmentConfig(Section):
    """Augmentation of training images: zero padding with a random crop, random horizontal flips."""

    pad: Annotated[int, Field(ge=0)] = 0
    flip: bool = False


class TrainingConfig(Section):
    """How a network is trained, for a number of epochs, of optimizer steps or of training FLOPs."""

    epochs: Annotated[int, Field(ge=1)] | None = Field(None, description="passes over the training data")
    steps: Annotated[int, Field(ge=1)] | None = Field(None, description="optimizer steps, instead of epochs")
    flops: Positive | None = Field(None, description="training FLOPs, instead of epochs; not for `soft` sizes")
    batch_size: Annotated[int, Field(ge=0)] = Field(128, description="samples of a step; 0: all of them")
    optimizer: dict[str, Any] = Field(description="name, lr, and other options of the optimizer")
    schedule: ScheduleConfig = ScheduleConfig()
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the hardware has it"
    )
    cuda_graph: bool | None = Field(
        None,
        description="on CUDA, record a step's passes through the network once and replay them; null: for networks that "
        "are not imported, whose forward might depend on more than tensors",
    )
    augment: AugmentConfig | None = None
    clip: Positive | None = Field(None, description="most that the norm of all gradients together may be; null: any")
    evaluate_every: Annotated[int, Field(ge=1)] = Field(1, description="epochs between evaluations")
    rows: Annotated[int, Field(ge=1)] | None = Field(
        None, description="evaluations in a run, evenly over its FLOPs or steps, in the place of evaluate_every"
    )

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        given = [name for name in ("epochs", "steps", "flops") if getattr(self, name) is not None]
        if len(given) != 1:
            advice = f"; a policy takes the file's away with {given[0]}: null" if given else ""
            found = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of epochs, steps and flops (found {found}{advice})")
        return self


Limit = Annotated[int, Field(ge=1)]
Limits = Limit | tuple[Limit, ...]


class BudgetConfig(Section):
    """Where growth stops, in exactly one measure."""

    width: Positive | None = Field(None, description="width multiplier of the grown network, as in network.width")
    depth: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = Field(
        None, description="blocks of the grown network, as a multiple of the seed network's"
    )
    units: Annotated[int, Field(ge=1)] | None = Field(None, description="units of all sites together")
    blocks: Annotated[int, Field(ge=1)] | None = Field(None, description="blocks of the grown network")
    parameters: Limits | None = Field(None, description="of the whole network; a list holds a limit for each event")
    flops: Limits | None = Field(None, description="forward FLOPs of one sample; a list holds a limit for each event")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_dump(exclude_none=True)
        if () in given.values():
            raise ValueError("a list of limits needs at least one")
        if len(given) != 1:
            raise ValueError(
                "give exactly one of width, depth, units, blocks, parameters and flops (found "
                f"{', '.join(given) or 'none'})"
            )
        return self


class StatisticsConfig(Section):
    """The data that one growth step looks at."""

    batches: Annotated[int, Field(ge=1)] = 1
    batch_size: Annotated[int, Field(ge=1)] | None = Field(None, description="samples of a batch; null: the training's")


class RewarmConfig(Section):
    """After an event the learning rate rises linearly again."""

    steps: Annotated[int, Field(ge=1)] = Field(description="steps that it takes")
    scope: Literal["new", "all"] = Field("new", description="the new weights, or all of the network")


class NewUnitsConfig(Section):
    """How new units are treated."""

    age: Annotated[int, Field(ge=0)] = Field(0, description="steps before a new unit may be split or removed")
    boost: Positive = Field(1.0, description="factor of the learning rate of new units")
    steps: Annotated[int, Field(ge=0)] = Field(0, description="how many steps the boost lasts")
    learning_rate: Literal["base", "cohort"] = Field(
        "base", description="cohort: times the norm of an event's weights over that of the oldest in a parameter"
    )
    floor: Share = Field(0.1, description="least factor of a cohort; 0: weights that start at 0 stay there")
    rewarm: RewarmConfig | None = Field(None, description="a warm-up of the learning rate after each event")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.boost == 1) != (self.steps == 0):
            raise ValueError("a boost lasts for some steps: give both boost and steps, or neither")
        return self


class GrowthConfig(Section):
    """When, where and how a network grows, or `soft` instead; the strategies are `{name: {parameter: value}}`."""

    budget: dict[str, Any] | None = None
    amount: Positive | None = Field(
        None,
        description="units added in one event, as a share of the seed network's; null: what the budget leaves, "
        "spread over the scheduler's remaining events, or 0.25 where their number is not known",
    )
    round_to: Annotated[int, Field(ge=1)] = Field(
        1, description="widths of the sites that grow are multiples of this after an event"
    )
    when: dict[str, dict[str, Any]] = {"never": {}}
    where: dict[str, dict[str, Any]] = {"uniform": {}}
    how: dict[str, dict[str, Any]] = {"zero": {}}
    soft: dict[str, dict[str, Any]] | None = None
    sites: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="patterns, as in shells, of the sites that may grow; null: all that preserve the function"
    )
    statistics: StatisticsConfig = StatisticsConfig()
    new_units: NewUnitsConfig = NewUnitsConfig()

    @property
    def grows(self) -> bool:
        """Whether the network may grow in events; one with `soft` sizes grows without."""
        return "never" not in self.when

    @property
    def changes_size(self) -> bool:
        """Whether the network's size may change at all, in events or by gradient descent."""
        return self.grows or self.soft is not None


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


class SearchConfig(Section):
    """What a search does with a file's ranges."""

    trials: Annotated[int, Field(ge=1)] = Field(100, description="trials of the study in all, baselines included")
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
    baselines: bool = Field(True, description="begin with the small network, the big one, and random growth")
    race: RaceConfig | Literal["none"] | None = Field(
        None, description="null: {top: 5, seeds: 4}, or none where there are several objectives"
    )
    lease: Positive = Field(60.0, description="seconds without a heartbeat after which another worker goes on")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for what, entries in (("objective", self.objectives), ("constraint", self.constraints)):
            if any(len(entry) != 1 for entry in entries):
                raise ValueError(f"every {what} is a mapping with one key")
        measures = [measure for _, measure in self.aims]
        if len(set(measures)) < len(measures):
            raise ValueError(f"every objective has a measure of its own (found {', '.join(measures)})")
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
    def _a_race_with_a_goal(self) -> Self:
        if isinstance(self.race, RaceConfig) and len(self.objectives) > 1:
            raise ValueError("several objectives have no winner: leave race out")
        return self

    @property
    def raced(self) -> RaceConfig | None:
        """The race at the end, with what null stands for."""
        if self.race == "none" or len(self.objectives) > 1:
            return None
        return self.race or RaceConfig()

    @property
    def pruned_by(self) -> str:
        """The pruner's name, with what null stands for."""
        prunable = len(self.objectives) == 1 and self.aims[0][1] in WATCHED
        return self.pruner or ("asha" if prunable else "none")

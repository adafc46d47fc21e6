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

    # A section's validator is built when it is first used: what another section holds is part of that one's.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


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
    limits: dict[str, Annotated[int, Field(ge=1)]] | None = Field(
        None,
        description="by pattern, as in shells, the most channels of a site, or blocks of a chain of blocks; of several "
        "patterns that match, the smallest",
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

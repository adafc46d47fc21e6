"""What the files of one training say, as records; each knows how it stands in its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from growsearch.runs.reading import record_of
from growsearch.tasks.metric import Metric

if TYPE_CHECKING:
    from growsearch.growth import GrowthEvent

_RENAMED = {"woken": "regrown", "slept": "pruned"}  # fields of growth events, by their names in older versions
_MEASURED = ("validation_", "test_")  # with what the task measures behind it


@dataclass(frozen=True, kw_only=True)
class MetricsRow:
    """A line of `metrics.jsonl`: how a run stands after `step` optimizer steps.

    `train_loss` is the mean since the row before, `metrics` what the task measures on the validation split, by names
    such as `validation_loss`; `parameters`, `training_flops` and `seconds` count from the beginning, and `growth_flops`
    are the part of `training_flops` that growing took. `sizes` are those that gradient descent chooses, by site; None
    where there are none.
    """

    step: int
    epoch: float
    train_loss: float | None
    lr: float
    parameters: int
    training_flops: int
    seconds: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    sizes: Mapping[str, float] | None = None
    growth_flops: int = 0

    def value(self, name: str) -> float | None:
        """Return a metric, or a number of the row itself; None where it has none of that name."""
        return _number(self, self.metrics, name)

    def plain(self) -> dict[str, Any]:
        """Return the line as it is in the file."""
        head = {"step": self.step, "epoch": self.epoch, "train_loss": self.train_loss, **self.metrics}
        tail = {"lr": self.lr, "parameters": self.parameters, "training_flops": self.training_flops}
        sizes = {} if self.sizes is None else {"sizes": dict(self.sizes)}
        return {**head, **tail, "growth_flops": self.growth_flops, "seconds": self.seconds, **sizes}

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Return the row that a line stands for; `where` names it in the error."""
        return record_of(cls, _gathered(plain), where)


@dataclass(frozen=True, kw_only=True)
class GrowthLine:
    """A line of `growth.jsonl`: a `GrowthEvent` without its edits, and the widths of all sites before it.

    `recovered_steps` are those until the training loss was back where it was before the event: 0 where the event did
    not raise it, None where that is not known (yet); in the file itself it is 0 or null (see `Recovery`). Fields with
    defaults are missing in files that older versions wrote.
    """

    step: int
    sites: Mapping[str, int]
    widths: Mapping[str, int]
    when: str
    where: str
    how: str
    parameters_before: int
    parameters_after: int
    flops_before: int
    flops_after: int
    predicted_change: float | None
    measured_change: float | None
    output_change: float | None
    seconds: float
    removed: Mapping[str, int] = field(default_factory=dict)
    gradient_ratio: Mapping[str, float | None] = field(default_factory=dict)
    regrown: int = 0
    pruned: int = 0
    active_before: int | None = None
    active_after: int | None = None
    refused: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    growth_flops: int = 0
    kinds: Mapping[str, str] = field(default_factory=dict)
    loss_before: float | None = None
    loss_after: float | None = None
    recovered_steps: int | None = None
    widths_before: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_event(cls, event: GrowthEvent, widths_before: Mapping[str, int], recovered_steps: int | None = None) -> Self:
        """Return the line of an event that has just happened."""
        return cls(**event.to_json(), widths_before=widths_before, recovered_steps=recovered_steps)

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Return the event that a line stands for, whichever version wrote it; `where` names it in the error."""
        return record_of(cls, {_RENAMED.get(name, name): value for name, value in plain.items()}, where)

    def plain(self) -> dict[str, Any]:
        """Return the line as it is in the file."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A line of `recoveries.jsonl`: so many steps after the event at `step` the training loss was back."""

    step: int
    recovered_steps: int

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Return what a line says; `where` names it in the error."""
        return record_of(cls, plain, where)

    def plain(self) -> dict[str, Any]:
        """Return the line as it is in the file."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The content of `result.json`: what a finished run came to.

    `config` tells which configuration, seed and architecture it belongs to. `metrics` are what the task measures, by
    names such as `test_loss`; the test set's are None where it was not read. `metric` is what runs are ranked by.
    `samples` are those of the data by split, `data_sha256` is of a text. `budget_full` tells whether growth has used
    its budget up, None where nothing grows in events. So many `devices` trained it together, with `threads` of the CPU
    each. `files` has checksums of the logs (without their times) and of the network's description beside it, as they
    were when it finished. Fields with defaults are missing in files of older versions.
    """

    config: str
    seed: int
    steps: int
    train_loss: float | None
    parameters: int
    training_flops: int
    seconds: float
    growth_seconds: float
    growth_events: int
    widths: Mapping[str, int]
    device: str
    precision: str
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    samples: Mapping[str, int] | None = None
    data_sha256: str | None = None
    metric: Metric | None = None
    active_parameters: int | None = None
    flops: int | None = None
    growth_flops: int = 0
    budget_full: bool | None = None
    cuda_graph: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    devices: int = 1

    @property
    def living_parameters(self) -> int:
        """The parameters that no mask puts to sleep."""
        return self.parameters if self.active_parameters is None else self.active_parameters

    def value(self, name: str) -> float | None:
        """Return a metric, or a number of the result itself; None where it has none of that name."""
        return _number(self, self.metrics, name)

    def plain(self) -> dict[str, Any]:
        """Return the content as it is in the file."""
        return _spread(asdict(self))

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Return the result that a file's content stands for; `where` names it in the error."""
        return record_of(cls, _gathered(plain), where)


def _number(record: object, metrics: Mapping[str, float | None], name: str) -> float | None:
    value = metrics[name] if name in metrics else getattr(record, name, None)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _gathered(plain: Mapping[str, Any]) -> dict[str, Any]:
    """With what was measured apart from the fields that every run has."""
    measured = {key: value for key, value in plain.items() if key.startswith(_MEASURED)}
    return {**{key: value for key, value in plain.items() if key not in measured}, "metrics": measured}


def _spread(plain: dict[str, Any]) -> dict[str, Any]:
    """Inverse of `_gathered`."""
    return {**{key: value for key, value in plain.items() if key != "metrics"}, **plain["metrics"]}

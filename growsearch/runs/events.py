"""What runs tell those who watch them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from growsearch.runs.records import GrowthLine, MetricsRow, Recovery, RunResult


@dataclass(frozen=True)
class RunStarted:
    """Training begins, or goes on, at `step`; `parameters` are the network's, None where that is not told."""

    step: int
    total_steps: int
    parameters: int | None = None


@dataclass(frozen=True)
class StepDone:
    """So far it has come; told a few times a second, between steps, where a checkpoint can be written."""

    step: int
    total_steps: int


@dataclass(frozen=True)
class TrainingStopped:
    """Training stops before its end, by an error or because it was asked to; `training_flops` were used by then."""

    training_flops: int


@dataclass(frozen=True)
class RowDone:
    """A row of metrics was written."""

    row: MetricsRow
    total_steps: int


@dataclass(frozen=True)
class Grew:
    """A growth event happened, or was refused."""

    line: GrowthLine


@dataclass(frozen=True)
class Recovered:
    """The training loss is back where it was before a growth event that had raised it."""

    recovery: Recovery


@dataclass(frozen=True)
class RunFinished:
    """The run is finished, or was before."""

    result: RunResult


@dataclass(frozen=True)
class RunFailed:
    """The run did not finish."""

    reason: str


@dataclass(frozen=True)
class RunMoved:
    """The process or the machine of a run was lost; it goes on elsewhere, from its checkpoint."""

    reason: str


@dataclass(frozen=True)
class BranchFinished:
    """A branch of an audit is finished: what it measured at its end, after so many seconds."""

    metrics: Mapping[str, float | None]
    seconds: float


@dataclass(frozen=True)
class RepetitionFinished:
    """A run was repeated up to `step` for an audit; `equal` tells whether it is as it was recorded."""

    step: int
    equal: bool


@dataclass(frozen=True)
class JobsStarted:
    """So many `runs` (or branches: `what`) there are, of which `finished` are kept; `warnings` are in words.

    `devices` train each of them together.
    """

    runs: int
    finished: int
    workers: int
    warnings: tuple[str, ...] = ()
    what: str = "runs"
    devices: int = 1


RunEvent = (
    RunStarted
    | StepDone
    | TrainingStopped
    | RowDone
    | Grew
    | Recovered
    | RunFinished
    | RunMoved
    | BranchFinished
    | RepetitionFinished
)
Progress = Callable[[RunEvent], None]

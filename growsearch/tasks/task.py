"""What a task is: a frozen pydantic model whose fields are its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from growsearch.tasks.metric import Metric


class Task(BaseModel, ABC):
    """Base of the tasks; `summary` and `source` are shown in the docs.

    A batch is evaluated in two steps: `totals` are added up over the batches on the device, and `measured` turns their
    means over the samples into the values of `metrics`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: ClassVar[str]
    source: ClassVar[str]

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What an evaluation gives, the loss among it; the first is what policies are ranked by."""

    @property
    def ranked_by(self) -> Metric:
        """Return what policies are ranked by."""
        return self.metrics[0]

    @abstractmethod
    def criterion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over a batch, a scalar."""

    def totals(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return sums over the samples of a batch, scalars by name; the loss alone unless a task adds to it."""
        return {"loss": self.criterion(outputs, targets).double() * len(targets)}

    def measured(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the value of every metric by name, from the totals divided by the number of samples."""
        return dict(means)

    @abstractmethod
    def output_shape(self, input_shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
        """Return what a network has to give for one sample."""

    @abstractmethod
    def mismatch(self, inputs: Tensor, targets: Tensor) -> str | None:
        """Return what is wrong with a batch of the data for this task, in words; None where it fits."""

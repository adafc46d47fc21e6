"""Numbers for every sample."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from growsearch.tasks.metric import LOSS, Metric
from growsearch.tasks.task import Task


class Regression(Task):
    """Squared error, mean over all elements; policies are ranked by it."""

    summary: ClassVar[str] = "numbers: mean squared error"
    source: ClassVar[str] = "Gauss, Theoria motus corporum coelestium, 1809"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See `Task.metrics`."""
        return (LOSS,)

    def criterion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `Task.criterion`: outputs and targets float `[N, outputs]`."""
        return F.mse_loss(outputs, targets)

    def output_shape(self, input_shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
        """See `Task.output_shape`: `(outputs,)`."""
        return (outputs,)

    def mismatch(self, inputs: Tensor, targets: Tensor) -> str | None:
        """See `Task.mismatch`."""
        if not targets.is_floating_point():
            return f"the targets are {targets.dtype}, not real numbers"
        return None

"""One of several classes for every sample."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from growsearch.tasks.metric import LOSS, Metric
from growsearch.tasks.task import Task

ACCURACY = Metric("accuracy", "accuracy", higher_is_better=True, percent=True)


class Classification(Task):
    """Mean cross-entropy; policies are ranked by the share of samples whose largest output is their class."""

    summary: ClassVar[str] = "one of several classes: cross-entropy, ranked by accuracy"
    source: ClassVar[str] = "Bridle, Probabilistic Interpretation of Feedforward Network Outputs, 1990"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See `Task.metrics`."""
        return ACCURACY, LOSS

    def criterion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `Task.criterion`: outputs `[N, classes]`, targets int64 `[N]`."""
        return F.cross_entropy(outputs, targets)

    def totals(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """See `Task.totals`."""
        return {**super().totals(outputs, targets), "accuracy": (outputs.argmax(1) == targets).sum()}

    def output_shape(self, input_shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
        """See `Task.output_shape`: `(classes,)`."""
        return (outputs,)

    def mismatch(self, inputs: Tensor, targets: Tensor) -> str | None:
        """See `Task.mismatch`."""
        if targets.is_floating_point() or targets.ndim != 1:
            return f"the targets are {targets.dtype} of shape {list(targets.shape)}, not one class a sample"
        return None

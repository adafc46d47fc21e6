"""Loss and accuracy of a network on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Criterion = Callable[[Tensor, Tensor], Tensor]


def criterion_for(task: str) -> Criterion:
    """Mean cross entropy for `classification`, mean squared error over all elements for `regression`."""
    return F.cross_entropy if task == "classification" else F.mse_loss


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    criterion: Criterion,
    context: AbstractContextManager[object],
) -> dict[str, float | None]:
    """`loss` and `accuracy` (None unless targets are classes) over all samples, in evaluation mode.

    Everything is summed up on the device; the host waits for it once.
    """
    was_training = model.training
    model.eval()
    loss: Tensor | float = 0.0
    correct: Tensor | float = 0.0
    samples, classes = 0, False
    for inputs, targets in batches:
        with context:
            outputs = model(inputs)
        outputs = outputs.float()
        classes = not targets.is_floating_point()
        loss = loss + criterion(outputs, targets).double() * len(inputs)
        if classes:
            correct = correct + (outputs.argmax(1) == targets).sum()
        samples += len(inputs)
    model.train(was_training)
    return {"loss": float(loss) / samples, "accuracy": float(correct) / samples if classes else None}

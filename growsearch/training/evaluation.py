"""What a task measures of a network on a split."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from growsearch.data import DataSet
from growsearch.tasks import Task
from growsearch.training.world import ALONE, World

SAMPLES = 1000  # of a batch, where its outputs are few
OUTPUTS = 2**24  # of a batch: 64 MiB in float32


def evaluation_samples(data: DataSet) -> int:
    """Return how many samples an evaluation takes at once."""
    outputs = math.prod(data.task.output_shape(data.input_shape, data.outputs))
    return max(1, min(SAMPLES, OUTPUTS // outputs))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    task: Task,
    context: AbstractContextManager[object],
    world: World = ALONE,
) -> dict[str, float]:
    """Return the task's metrics by name over all samples, in evaluation mode.

    Everything is summed up on the device; the host waits for it once. Where several processes evaluate a part of the
    samples each, all get the metrics of the whole.

    Args:
        model: the network; it is left in the mode that it was in.
        batches: inputs with their targets.
        task: what is measured.
        context: in which the network runs, such as an autocast.
        world: the processes that evaluate.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, Tensor] = {}
    samples = 0
    for inputs, targets in batches:
        with context:
            outputs = model(inputs)
        for name, total in task.totals(outputs.float(), targets).items():
            sums[name] = sums[name] + total if name in sums else total
        samples += len(inputs)
    model.train(was_training)
    found = world.everywhere(({name: float(total) for name, total in sums.items()}, samples))
    names, everything = dict.fromkeys(name for own, _ in found for name in own), sum(count for _, count in found)
    return task.measured({name: sum(own.get(name, 0.0) for own, _ in found) / everything for name in names})

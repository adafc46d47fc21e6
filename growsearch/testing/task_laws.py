"""What every task has to keep."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from growsearch.tasks import Metric, Task
from growsearch.training.evaluation import evaluate

Batch = tuple[Tensor, Tensor, Tensor]


class TaskLaws:
    """Subclass it, set `task`, and give a `batch` of at least four samples and two halves."""

    task: ClassVar[Task]
    input_shape: ClassVar[tuple[int, ...]]
    outputs: ClassVar[int]

    @pytest.fixture
    def batch(self) -> Batch:
        """Inputs, what a network may give for them, and targets: of an even number of samples, all drawn alike."""
        raise NotImplementedError

    def test_its_metrics_have_names_of_their_own_and_the_loss_is_one(self) -> None:
        """What policies are ranked by can be written into results and read again."""
        keys = [metric.name for metric in self.task.metrics]

        assert len(set(keys)) == len(keys) and "loss" in keys
        assert Metric(**json.loads(json.dumps(self.task.ranked_by.plain()))) == self.task.ranked_by

    def test_its_loss_is_one_number_with_a_gradient(self, batch: Batch) -> None:
        """For every output that a network may give."""
        outputs = batch[1].clone().requires_grad_()
        loss = self.task.criterion(outputs, batch[2])
        torch.autograd.backward(loss)

        assert loss.ndim == 0 and math.isfinite(loss.item())
        assert outputs.grad is not None and bool(outputs.grad.any())

    def test_an_evaluation_does_not_depend_on_the_size_of_its_batches(self, batch: Batch) -> None:
        """Every metric of the halves together is that of the whole; the loss is the criterion's."""
        _, outputs, targets = batch
        half = len(outputs) // 2
        parts = [(outputs[:half], targets[:half]), (outputs[half:], targets[half:])]
        whole, halves = (evaluate(nn.Identity(), each, self.task, nullcontext()) for each in ([batch[1:]], parts))

        assert set(whole) == {metric.name for metric in self.task.metrics}
        assert halves == pytest.approx(whole, rel=1e-5)
        assert whole["loss"] == pytest.approx(float(self.task.criterion(outputs, targets)), rel=1e-5)

    def test_it_takes_such_data_and_such_outputs(self, batch: Batch) -> None:
        """What it says of a network's outputs is their shape."""
        inputs, outputs, targets = batch

        assert self.task.mismatch(inputs, targets) is None
        assert tuple(inputs.shape[1:]) == self.input_shape
        assert tuple(outputs.shape[1:]) == self.task.output_shape(self.input_shape, self.outputs)

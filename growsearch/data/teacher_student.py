"""Regression on the outputs of a random teacher network."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from growsearch.data.dataset import DataSet, DataSource, Split
from growsearch.tasks import Regression


class TeacherStudent(DataSource):
    """Gaussian inputs; targets are the outputs of a two-layer ReLU network without bias, with weights from U(-1, 1).

    The test split is the training split: what the reference reports is the final training loss.
    """

    summary: ClassVar[str] = "outputs of a random two-layer teacher on Gaussian inputs (regression)"
    source: ClassVar[str] = "Evci et al., GradMax, ICLR 2022, section 4.1"

    inputs: int = Field(default=10, ge=1)
    hidden: int = Field(default=10, ge=1)
    outputs: int = Field(default=10, ge=1)
    samples: int = Field(default=1000, ge=1)

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; the seed decides the teacher and the inputs."""
        generator = torch.Generator().manual_seed(seed)
        first = torch.rand(self.hidden, self.inputs, generator=generator) * 2 - 1
        second = torch.rand(self.outputs, self.hidden, generator=generator) * 2 - 1
        inputs = torch.randn(self.samples, self.inputs, generator=generator)
        split = Split(inputs, (inputs @ first.T).relu() @ second.T)
        return DataSet(
            name="teacher_student",
            train=split,
            validation=None,
            test=split,
            outputs=self.outputs,
            task=Regression(),
            mean=(),
            std=(),
            input_shape=(self.inputs,),
        )

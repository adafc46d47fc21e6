"""Adadelta."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord, Positive


class Adadelta(OptimizerRecord):
    """See `torch.optim.Adadelta`."""

    summary: ClassVar[str] = "steps in the ratio of recent updates to recent gradients; its lr is usually 1"
    source: ClassVar[str] = "Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv 1212.5701, 2012"
    kind = optim.Adadelta
    state = {"square_avg": "mean", "acc_delta": "mean"}

    rho: Decay | None = Field(None, description="how slowly the means of squares forget")
    eps: Positive | None = None
    weight_decay: NotNegative | None = None

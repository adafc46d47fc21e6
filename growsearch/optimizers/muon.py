"""Muon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn, optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord


class Absent(optim.Optimizer):
    """What stands for an optimizer that the installed torch does not have."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, {})


class Muon(OptimizerRecord):
    """See `torch.optim.Muon`."""

    summary: ClassVar[str] = "momentum made orthogonal; for matrices only"
    source: ClassVar[str] = "Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024"
    kind = getattr(optim, "Muon", Absent)
    refused = None if hasattr(optim, "Muon") else f"torch {torch.__version__} has none: it came with torch 2.9"
    state = {"momentum_buffer": "zero"}
    matrices_only = True

    momentum: Decay | None = None
    nesterov: bool | None = None
    weight_decay: NotNegative | None = None

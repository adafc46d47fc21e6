"""Muon."""

from __future__ import annotations

from typing import ClassVar

from torch import optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord


class Muon(OptimizerRecord):
    """See `torch.optim.Muon`."""

    summary: ClassVar[str] = "momentum made orthogonal; for matrices only"
    source: ClassVar[str] = "Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024"
    kind = optim.Muon
    state = {"momentum_buffer": "zero"}
    matrices_only = True

    momentum: Decay | None = None
    nesterov: bool | None = None
    weight_decay: NotNegative | None = None

"""Stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator
from torch import optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord


class SGD(OptimizerRecord):
    """See `torch.optim.SGD`."""

    summary: ClassVar[str] = "stochastic gradient descent, with momentum or without"
    source: ClassVar[str] = "Sutskever et al., On the importance of initialization and momentum, ICML 2013"
    kind = optim.SGD
    state = {"momentum_buffer": "zero"}

    momentum: Decay | None = None
    nesterov: bool | None = None
    weight_decay: NotNegative | None = None

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self

"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, optim

from growsearch.optimizers.record import NotNegative, OptimizerRecord, Positive


class Adagrad(OptimizerRecord):
    """See `torch.optim.Adagrad`."""

    summary: ClassVar[str] = "steps scaled by the sum of all squared gradients"
    source: ClassVar[str] = "Duchi, Hazan and Singer, Adaptive Subgradient Methods, JMLR 12, 2011"
    kind = optim.Adagrad
    state = {"sum": "mean"}

    lr_decay: NotNegative | None = Field(None, description="decay of the learning rate")
    eps: Positive | None = None
    weight_decay: NotNegative | None = None

    @classmethod
    def first_state(cls, parameter: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """See `OptimizerRecord.first_state`: Adagrad's is made with the optimizer."""
        return {"step": torch.tensor(0.0), "sum": torch.full_like(parameter, group["initial_accumulator_value"])}

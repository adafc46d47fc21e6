"""RMSprop."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord, Positive


class RMSprop(OptimizerRecord):
    """See `torch.optim.RMSprop`."""

    summary: ClassVar[str] = "steps scaled by a running mean of the squared gradients"
    source: ClassVar[str] = "Tieleman and Hinton, Neural Networks for Machine Learning, lecture 6e, 2012"
    kind = optim.RMSprop
    state = {"momentum_buffer": "zero", "grad_avg": "zero", "square_avg": "mean"}

    alpha: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="how slowly the mean of squared gradients forgets"
    )
    momentum: Decay | None = None
    eps: Positive | None = None
    weight_decay: NotNegative | None = None

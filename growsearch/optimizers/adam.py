"""Adam, and what differs from it in a term."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import optim

from growsearch.optimizers.record import Decay, NotNegative, OptimizerRecord, Positive


class Adam(OptimizerRecord):
    """See `torch.optim.Adam`."""

    summary: ClassVar[str] = "steps scaled by running means of the gradients and of their squares"
    source: ClassVar[str] = "Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015"
    kind: ClassVar[type[optim.Optimizer]] = optim.Adam
    state = {"exp_avg": "zero", "exp_avg_sq": "mean", "max_exp_avg_sq": "mean"}

    betas: tuple[Decay, Decay] | None = None
    eps: Positive | None = None
    weight_decay: NotNegative | None = None


class AdamW(Adam):
    """See `torch.optim.AdamW`."""

    summary: ClassVar[str] = "Adam with a weight decay that is not scaled"
    source: ClassVar[str] = "Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019"
    kind = optim.AdamW


class NAdam(Adam):
    """See `torch.optim.NAdam`."""

    summary: ClassVar[str] = "Adam with Nesterov's momentum"
    source: ClassVar[str] = "Dozat, Incorporating Nesterov Momentum into Adam, 2016"
    kind = optim.NAdam

    momentum_decay: NotNegative | None = Field(None, description="decay of the momentum")


class RAdam(Adam):
    """See `torch.optim.RAdam`."""

    summary: ClassVar[str] = "Adam that starts without scaling, until the variance is known"
    source: ClassVar[str] = "Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020"
    kind = optim.RAdam

    decoupled_weight_decay: bool | None = None


class Adamax(Adam):
    """See `torch.optim.Adamax`."""

    summary: ClassVar[str] = "Adam with the largest of the recent gradients in place of their mean square"
    source: ClassVar[str] = "Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 7.1"
    kind = optim.Adamax
    state = {"exp_avg": "zero", "exp_inf": "mean"}

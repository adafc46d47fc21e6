"""Optimizers whose state cannot follow a growth."""

from __future__ import annotations

from typing import ClassVar

from torch import optim

from growsearch.optimizers.record import OptimizerRecord


class ASGD(OptimizerRecord):
    """See `torch.optim.ASGD`."""

    summary: ClassVar[str] = "averaged stochastic gradient descent"
    source: ClassVar[str] = "Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992"
    kind = optim.ASGD
    refused = "its running average of the weights has no value for new ones; torch.optim.swa_utils averages beside SGD"


class Adafactor(OptimizerRecord):
    """See `torch.optim.Adafactor`."""

    summary: ClassVar[str] = "Adam with second moments by rows and columns"
    source: ClassVar[str] = "Shazeer and Stern, Adafactor, ICML 2018"
    kind = optim.Adafactor
    refused = "it keeps second moments by rows and columns, not by weights"


class LBFGS(OptimizerRecord):
    """See `torch.optim.LBFGS`."""

    summary: ClassVar[str] = "steps from a history of gradients"
    source: ClassVar[str] = "Liu and Nocedal, On the limited memory BFGS method, 1989"
    kind = optim.LBFGS
    refused = "its history is of all weights together, and ends where one of them changes its shape"

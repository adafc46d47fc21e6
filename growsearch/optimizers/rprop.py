"""Rprop."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import optim

from growsearch.optimizers.record import OptimizerRecord, Positive


class Rprop(OptimizerRecord):
    """See `torch.optim.Rprop`; `lr` is the first step of every weight, and a schedule does nothing to it."""

    summary: ClassVar[str] = "a step for every weight, by its gradient's sign; for whole batches (batch_size 0)"
    source: ClassVar[str] = "Riedmiller and Braun, The RPROP Algorithm, IEEE ICNN 1993"
    kind = optim.Rprop
    state = {"prev": "zero", "step_size": "mean"}

    etas: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=1)]] | None = Field(
        None, description="what a step is multiplied by when its gradient changes the sign, and when not"
    )
    step_sizes: tuple[Positive, Positive] | None = Field(None, description="the smallest and the largest step")

"""A trained number that is the size."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.growth import SoftSize


class Size(nn.Module):
    """One trained real number for each site."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.size = nn.Parameter(start.clone())

    def forward(self) -> Tensor:
        return self.size


class SizeGate(SoftSize):
    """A trained real number N for each site, by which unit m = 1, 2, ... is multiplied with theta(N - m + 1).

    theta(n) is 0 below 0, sin^2(pi n / 2) on [0, 1] and 1 above, so that floor(N) units are on and one is fading in.
    The loss gains `strength` (N - N_inf)^2, and the hidden units have N as an input. Without a gradient of the task,
    gradient descent takes N from 0 along N_inf (1 - exp(-2 strength lr t)).

    Left open by the paper, and chosen here: one N for each site, N_inf in multiples of the seed's units; the input is
    N / N_inf, because N itself would saturate the units of wide layers; N has a learning rate of its own, because it
    has to move by whole units where weights move by fractions; at most 2 N_inf units are allocated.
    """

    summary: ClassVar[str] = "a trained real number N of units for each site: floor(N) are on, one is fading in"
    why: ClassVar[str] = "sizes settle by gradient descent, between what the task and what the size loss wants"
    finds_size: ClassVar[str] = "yes: each site's N, around N_inf"
    source: ClassVar[str] = "Radhakrishnan et al. 2025, Growing Neural Networks, auxiliary weight"

    strength: float = Field(0.02, ge=0, description="factor lambda of the size loss (N - N_inf)^2")
    lr: float = Field(0.05, gt=0, description="learning rate of N, in units for a gradient of 1")

    def learner(self, start: Tensor, limit: Tensor, generator: torch.Generator) -> nn.Module:
        return Size(start)

    def size(self, state: Tensor, limit: Tensor) -> Tensor:
        return state

    def gates(self, state: Tensor, limit: Tensor, pool: int) -> Tensor:
        before = torch.arange(pool, dtype=state.dtype, device=state.device)
        return torch.sin((state.unsqueeze(-1) - before).clamp(0, 1) * (math.pi / 2)).square()

    def signal(self, state: Tensor, limit: Tensor) -> Tensor:
        return state / limit

    def penalty(self, state: Tensor, limit: Tensor) -> Tensor:
        return self.strength * (state - limit).square()

    def room(self, units: int, limit: float) -> int:
        return 2 * super().room(units, limit)

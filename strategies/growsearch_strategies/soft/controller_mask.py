"""A controller network that masks units."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from growsearch.growth import SoftSize


class Controller(nn.Module):
    """One hidden layer behind a constant input, written out so that autocast leaves it in full precision."""

    def __init__(self, start: Tensor, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        weight = torch.randn(hidden, generator=generator, dtype=torch.float64)
        out = torch.randn(len(start), hidden, generator=generator, dtype=torch.float64) / hidden**0.5
        self.hidden = nn.Parameter(weight.to(start.dtype))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, dtype=start.dtype))
        self.out = nn.Parameter(out.to(start.dtype))
        self.out_bias = nn.Parameter(start - (self.out * torch.tanh(self.hidden)).sum(1).detach())

    def forward(self) -> Tensor:
        return (self.out * torch.tanh(self.hidden + self.hidden_bias)).sum(1) + self.out_bias


class ControllerMask(SoftSize):
    """A controller network's output c gives the share rho = sin^2(pi c / 2) of N_max units that are on.

    The first floor(rho N_max) units are multiplied by 1, the next by the fraction that is left, the others by 0. The
    loss gains `strength` (c - 1)^2, the gradient of the task reaches the controller too, and the hidden units have c as
    an input.

    `scalar_gain` is what the code released with the paper does: rho multiplies the whole layer, which has all its units
    from the start. It is an ablation of the mask, not a way to grow. (That code also squares c, and keeps the gradient
    of the task from the controller.)

    Left open by the paper, and chosen here: one controller for the network with an output for each site, with `hidden`
    tanh units and the constant 1 as its input; N_max in multiples of the seed's units.
    """

    summary: ClassVar[str] = "a controller network says which share of N_max units is on"
    why: ClassVar[str] = "a smooth start from few units, on a schedule that the controller learns"
    finds_size: ClassVar[str] = "yes: each site's share of N_max"
    source: ClassVar[str] = "Radhakrishnan et al. 2025, Growing Neural Networks, controller-generated mask"

    strength: float = Field(0.32, ge=0, description="factor of the size loss (c - 1)^2")
    hidden: int = Field(8, ge=1, description="hidden units of the controller")
    scalar_gain: bool = Field(
        False, description="ablation: rho multiplies all units of the seed network, none are added"
    )
    lr: float = Field(0.01, gt=0, description="learning rate of the controller")

    @model_validator(mode="after")
    def _start_is_within_reach(self) -> Self:
        if not self.scalar_gain and self.start > self.target:
            raise ValueError(f"start {self.start:g} is above target {self.target:g}: sizes start at or below N_max")
        return self

    def learner(self, start: Tensor, limit: Tensor, generator: torch.Generator) -> nn.Module:
        return Controller(torch.asin((start / limit).sqrt()) * (2 / math.pi), self.hidden, generator)

    def size(self, state: Tensor, limit: Tensor) -> Tensor:
        return limit + 0 * state if self.scalar_gain else limit * _share(state)

    def gates(self, state: Tensor, limit: Tensor, pool: int) -> Tensor:
        share = _share(state).unsqueeze(-1)
        if self.scalar_gain:
            return share.expand(*share.shape[:-1], pool)
        before = torch.arange(pool, dtype=state.dtype, device=state.device)
        return (share * limit.unsqueeze(-1) - before).clamp(0, 1)

    def signal(self, state: Tensor, limit: Tensor) -> Tensor:
        return state

    def penalty(self, state: Tensor, limit: Tensor) -> Tensor:
        return self.strength * (state - 1).square()

    def limit(self, units: Tensor) -> Tensor:
        return units if self.scalar_gain else super().limit(units)


def _share(state: Tensor) -> Tensor:
    return torch.sin(state * (math.pi / 2)).square()

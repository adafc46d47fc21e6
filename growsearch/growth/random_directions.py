"""Directions that are drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor


def random_directions(count: int, length: int, generator: torch.Generator, positive: bool = False) -> Tensor:
    """Unit vectors `[count, length]`: Gaussian directions, or (positive) normalised uniform draws from [0, 1).

    Args:
        count: number of vectors.
        length: of each.
        generator: that they are drawn from.
        positive: whether all entries are positive.
    """
    draw = torch.rand if positive else torch.randn
    vectors = draw(count, length, generator=generator)
    unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit

"""Projected gradient ascent on units of equal norm that are orthogonal to each other."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class Ascent:
    """Adam uphill along the sphere; `step` gives the next unit rows from the present ones and their slope."""

    def __init__(self, like: Float[Tensor, "units length"]) -> None:
        self._first, self._second = torch.zeros_like(like), torch.zeros_like(like)
        self._steps = 0

    def step(
        self, rows: Float[Tensor, "units length"], slope: Float[Tensor, "units length"], lr: float
    ) -> Float[Tensor, "units length"]:
        """One step of length `lr`, in norms of a unit, then back to orthonormal rows."""
        self._steps += 1
        # Without the tangent projection Adam's scaling would turn the radial part into a drift off the optimum.
        overlap = slope @ rows.T
        slope = slope - 0.5 * (overlap + overlap.T) @ rows
        self._first.mul_(0.9).add_(slope, alpha=0.1)
        self._second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        first, second = self._first / (1 - 0.9**self._steps), self._second / (1 - 0.999**self._steps)
        return orthonormal(rows + lr * rows.shape[1] ** -0.5 * first / (second.sqrt() + 1e-30))


def orthonormal(rows: Float[Tensor, "units length"]) -> Float[Tensor, "units length"]:
    """The nearest orthonormal rows; unit rows where there are more of them than dimensions."""
    if rows.shape[0] > rows.shape[1]:
        unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
        return unit
    left, _, right = torch.linalg.svd(rows, full_matrices=False)
    nearest: Tensor = left @ right
    return nearest

"""Products of two gradients with one change, summed over positions, and one tensor of that size on the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def position_sums(change: Tensor, first: Tensor, second: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """`first * change` and `second * change`, each `[rows, channels]`; differentiable in `change`.

    Args:
        change: of activations.
        first: shaped like it, a constant.
        second: another one.
        axis: of the channels; the first axis are the rows, all others positions.
    """
    found: tuple[Tensor, Tensor] = _PositionSums.apply(change, first, second, axis)
    return found


class _PositionSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, change: Tensor, first: Tensor, second: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(first, second)
        ctx.axis = axis
        return _summed(first, change, axis), _summed(second, change, axis)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_first: Tensor, by_second: Tensor) -> tuple[Tensor, None, None, None]:
        first, second = ctx.saved_tensors
        gradient = first * _spread(by_first, first, ctx.axis)
        return gradient.addcmul_(second, _spread(by_second, second, ctx.axis)), None, None, None


def _summed(gradient: Tensor, change: Tensor, axis: int) -> Tensor:
    if change.ndim <= 2:
        return gradient * change
    found: Tensor = torch.linalg.vecdot(gradient.movedim(axis, 1).flatten(2), change.movedim(axis, 1).flatten(2))
    return found


def _spread(rows: Tensor, like: Tensor, axis: int) -> Tensor:
    """`[rows, channels]` as it broadcasts against `like`."""
    return rows.reshape(*rows.shape, *[1] * (like.ndim - 2)).movedim(1, axis)

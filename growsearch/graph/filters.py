"""Depthwise filters that pass their input on."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def delta_filters(like: Tensor, channels: int, kernel: Sequence[int]) -> Tensor:
    """Filters `[channels, 1, *kernel]` with a 1 at the centre, of the type and device of `like`."""
    filters = like.new_zeros((channels, 1, *kernel))
    centre: list[slice | int] = [slice(None), slice(None)]
    centre += [(k - 1) // 2 for k in kernel]
    filters[tuple(centre)] = 1.0
    return filters

"""Networks with dormant connections as few bytes: the living entries of a weight, and a bit for each connection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from growsearch.surgery.masks import SUFFIX


def pack(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
    """`state` with every masked weight as its living entries and its mask as bits; and these weights' shapes.

    A living entry may be 0, so nothing is lost, and `unpack` gives the state back. Masks are those that
    `growsearch.surgery.masks` describes.
    """
    packed, shapes = dict(state), {}
    for name, weight in state.items():
        mask = state.get(name + SUFFIX)
        if mask is None or mask.dtype != torch.bool or mask.shape != weight.shape:
            continue
        packed[name] = weight.detach()[mask]
        packed[name + SUFFIX] = torch.from_numpy(np.packbits(mask.flatten().cpu().numpy()))
        shapes[name] = list(weight.shape)
    return packed, shapes


def unpack(packed: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The state that `pack` was given."""
    state = dict(packed)
    for name, shape in shapes.items():
        bits = np.unpackbits(packed[name + SUFFIX].numpy(), count=math.prod(shape))
        mask = torch.from_numpy(bits.astype(bool)).reshape(tuple(shape))
        weight = packed[name].new_zeros(tuple(shape))
        weight[mask] = packed[name]
        state |= {name: weight, name + SUFFIX: mask}
    return state

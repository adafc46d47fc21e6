"""What one output of a layer reads, as rows; and inverses of second moments."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from growsearch.growth.statistics.endpoints import Conv, geometry

CUT = 1e-6
"""Directions whose second moment is below this share of the largest count as not there."""


def patches(layer: nn.Module, x: Tensor) -> Float[Tensor, "places size"]:
    """For every sample and position of a layer's output, what its weight is multiplied with: (channels, kernel)."""
    x = x.detach()
    x = x.float() if x.dtype.itemsize < 4 else x
    if not isinstance(layer, Conv):
        return x.reshape(-1, x.shape[-1])
    shape = geometry(layer)
    pads: list[int] = []
    for kernel, dilation, front in zip(shape.kernel, shape.dilation, shape.padding, strict=True):
        back = dilation * (kernel - 1) - front if layer.padding == "same" else front
        pads = [front, back, *pads]
    x = F.pad(x, pads)
    dims = len(shape.kernel)
    for d in range(dims):
        window = shape.dilation[d] * (shape.kernel[d] - 1) + 1
        x = x.unfold(2 + d, window, shape.stride[d])[..., :: shape.dilation[d]]
    # [samples, channels, *positions, *kernel]
    return x.movedim(1, 1 + dims).flatten(1 + dims).reshape(-1, x.shape[1] * layer.weight[0, 0].numel())


def inverse(moment: Float[Tensor, "d d"], power: float) -> Float[Tensor, "d d"]:
    """A power, -1 or -1/2, of a second moment, on the directions that it has."""
    values, vectors = torch.linalg.eigh(moment.double())
    kept = values > CUT * values[-1].clamp_min(0)
    powers = torch.where(kept & (values > 0), values.clamp_min(1e-300) ** power, 0.0)
    found: Tensor = (vectors * powers) @ vectors.T
    return found

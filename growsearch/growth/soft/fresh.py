"""Units that start as those of a new layer do."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from growsearch.graph import AxisUse, Site
from growsearch.growth.candidate import FillKey
from growsearch.growth.starts import typical


def fresh_fills(model: nn.Module, site: Site, units: int, generator: torch.Generator) -> dict[FillKey, Tensor]:
    """Values on all axes of `units` new units of `site`, both their incoming and their outgoing weights.

    Linear and convolution layers start as PyTorch's do, uniform within 1 / sqrt(fan in), where the fan in is that of
    the layer with the new units; other weights (of embeddings) have the spread of the existing ones, and parameters of
    a scale of their own start at the mean of the existing ones. Normalisations start as new ones do, without a fill.

    Args:
        model: the network.
        site: one whose sizes are learned.
        units: how many are new.
        generator: that they are drawn from.
    """
    tensors = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}
    fills: dict[FillKey, Tensor] = {}
    for use in site.axes:
        tensor = tensors[use.tensor].detach()
        if use.role in ("scale", "shift", "mean", "variance"):
            continue
        shape = list(tensor.shape)
        shape[use.axis] = units * sum(run.repeat for run in use.runs)
        if use.role == "free":
            fills[use.tensor, use.axis] = typical(tensor, use.axis).expand(shape).contiguous()
        if use.role == "free" or not tensor.is_floating_point():
            continue
        draw = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
        fills[use.tensor, use.axis] = (draw * _bound(model, use, units, tensor)).to(tensor)
    return fills


def _bound(model: nn.Module, use: AxisUse, units: int, tensor: Tensor) -> float:
    """Bound of a uniform distribution."""
    layer = model.get_submodule(use.module)
    if not isinstance(layer, nn.Linear | _ConvNd):
        return float(tensor.double().std(correction=0) * 3**0.5)
    fan_in = layer.weight[0].numel()
    if use.role == "in" and use.axis == 1:
        fan_in = fan_in // use.size * (use.size + units * sum(run.repeat for run in use.runs))
    return float(fan_in**-0.5)

"""The two ends of a site: the layers that produce its units and the layers that consume them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import AxisUse, NetworkGraph, Site
from growsearch.growth.statistics.taps import Geometry, weight_gradient
from growsearch.growth.statistics.vector_products import vector_products

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True)
class Endpoint:
    """A producer or consumer of a site, seen by one of the channels that make up a unit.

    There is one channel, except behind grouped convolutions. `use` is the axis of the layer's weight along which units
    lie, `inputs` and `outputs` the slices of the layer's other channels that the channel is connected to, `slots` how
    many weight positions one unit of the channel takes along `use.axis` (several behind a flatten or a concatenation of
    a tensor with itself).
    """

    call: str
    module: str
    index: int
    use: AxisUse
    channel: int
    unit_channels: int
    channels: slice
    slots: int
    kernel: tuple[int, ...]

    @property
    def width(self) -> int:
        """Channels at the layer's far side: inputs of a producer, outputs of a consumer."""
        return int(self.channels.stop - self.channels.start)

    @property
    def size(self) -> int:
        """Length of one unit's weights at this layer, flattened as (far channels, slots, kernel)."""
        return self.width * self.slots * math.prod(self.kernel)


def producers(graph: NetworkGraph, model: nn.Module, site: Site, channel: int) -> list[Endpoint]:
    """The producers of `site` for one channel; `GrowthRefused` where one is not a plain linear or convolution layer.

    Args:
        graph: the network's graph.
        model: the network.
        site: one of the graph's.
        channel: of a unit, from 0.
    """
    return [_endpoint(graph, model, site, call, "out", channel) for call in site.producers]


def consumers(graph: NetworkGraph, model: nn.Module, site: Site, channel: int) -> list[Endpoint]:
    """The consumers of `site` for one channel; `GrowthRefused` where one is not a plain linear or convolution layer.

    Args:
        graph: the network's graph.
        model: the network.
        site: one of the graph's.
        channel: of a unit, from 0.
    """
    return [_endpoint(graph, model, site, call, "in", channel) for call in site.consumers]


def distinct(ends: Sequence[Endpoint]) -> list[Endpoint]:
    """One endpoint for every weight: a layer that is called twice, or tied to another, has one set of weights."""
    found: dict[tuple[str, int], Endpoint] = {}
    for end in ends:
        found.setdefault((end.use.tensor, end.use.axis), end)
    return list(found.values())


def unit_channels(site: Site) -> int:
    """Channels per unit at the first producer; a head is one, whose adjacent channels belong together."""
    whole = any(run.repeat > 1 for use in site.axes if use.role == "out" for run in use.runs)
    return 1 if whole else int(site.granularity)


def _endpoint(graph: NetworkGraph, model: nn.Module, site: Site, name: str, role: str, channel: int) -> Endpoint:
    call = graph.calls[name]
    layer = model.get_submodule(call.target) if call.kind == "module" else None
    if not isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
        raise GrowthRefused(
            f"site {site.name!r}: {name!r} is no plain nn.Linear or nn.Conv, so its gradient matrix is not known; use "
            "how: zero, random, gradmax_opt or split"
        )
    tensor = f"{call.target}.weight"
    use = next((u for u in site.axes if u.role == role and (tensor == u.tensor or tensor in u.aliases)), None)
    if use is None:
        raise GrowthRefused(
            f"site {site.name!r}: {tensor!r} both makes and reads its units (tied weights), so it has no gradient "
            "matrix of its own; use how: zero, random or gradmax_opt"
        )
    count = unit_channels(site)
    groups = getattr(layer, "groups", 1)
    repeats = sum(run.repeat for run in use.runs)
    far = layer.weight.shape[1 - use.axis]
    kernel = tuple(layer.weight.shape[2:])
    if count == 1:
        if groups > 1:
            raise GrowthRefused(
                f"site {site.name!r}: {call.target!r} is grouped and reads or makes units that other layers join, so "
                "it has no gradient matrix; use how: zero, random, gradmax_opt or split"
            )
        return Endpoint(name, call.target, call.index, use, 0, 1, slice(0, far), repeats, kernel)
    if groups > 1 and groups % count == 0 and role == "out":
        channels = _group_slice(layer.weight.shape[1] * groups, count, channel) if groups == count else None
    elif groups > 1 and groups == count and role == "in":
        channels = _group_slice(far, count, channel)
    elif groups == 1 and repeats == count:
        channels = slice(0, far)
    else:
        channels = None
    if channels is None:
        raise GrowthRefused(
            f"site {site.name!r}: a unit is {count} channels of {site.producers[0]!r} and {repeats} of {call.target!r} "
            "(they are cut and joined on the way), so it has no gradient matrix; use how: zero, random, gradmax_opt or "
            "split"
        )
    return Endpoint(name, call.target, call.index, use, channel, count, channels, 1, kernel)


def _group_slice(channels: int, groups: int, group: int) -> slice:
    return slice(channels // groups * group, channels // groups * (group + 1))


def geometry(layer: nn.Module) -> Geometry:
    """Geometry of a zero-padded convolution; `GrowthRefused` for another padding mode."""
    assert isinstance(layer, Conv)
    if layer.padding_mode != "zeros":
        raise GrowthRefused(f"convolution with padding_mode {layer.padding_mode!r}: only 'zeros' is supported here")
    if layer.padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    elif layer.padding == "valid":
        padding = (0,) * len(layer.kernel_size)
    else:
        padding = tuple(int(p) for p in layer.padding)
    return Geometry(tuple(layer.kernel_size), tuple(layer.stride), padding, tuple(layer.dilation))


def apply_layer(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """`layer` with another, ungrouped `weight` `[units, inputs, *kernel]` and no bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    shape = geometry(layer)
    if layer.padding == "same":
        x = F.pad(x, _same_padding(shape))
        shape = Geometry(shape.kernel, shape.stride, (0,) * len(shape.kernel), shape.dilation)
    out: Tensor = _CONVOLVE[len(shape.kernel)](x, weight, None, shape.stride, shape.padding, shape.dilation)
    return out


def layer_weight_gradient(layer: nn.Module, x: Tensor, g: Tensor) -> Tensor:
    """Gradient `[outputs, inputs, *kernel]` of an ungrouped weight of `layer`, summed over samples and positions."""
    if isinstance(layer, nn.Linear):
        return g.reshape(-1, g.shape[-1]).T @ x.reshape(-1, x.shape[-1])
    shape = geometry(layer)
    padding = list(shape.padding)
    if layer.padding == "same":
        x, padding = F.pad(x, _same_padding(shape)), [0] * len(padding)
    return weight_gradient(x, g, shape.kernel, list(shape.stride), list(shape.dilation), padding)


def layer_input_gradient(layer: nn.Module, g: Tensor, weight: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Gradient at the input (spatial size `grid`) of `layer` with an ungrouped `weight` `[outputs, units, *kernel]`.

    Args:
        layer: linear or convolution.
        g: gradients at its outputs.
        weight: in the place of its own.
        grid: positions of its input.
    """
    if isinstance(layer, nn.Linear):
        return g @ weight
    shape = geometry(layer)
    dims = len(grid)
    output_padding = [
        grid[d]
        - (
            (g.shape[2 + d] - 1) * shape.stride[d]
            - 2 * shape.padding[d]
            + shape.dilation[d] * (shape.kernel[d] - 1)
            + 1
        )
        for d in range(dims)
    ]
    if any(not 0 <= o < max(s, d) for o, s, d in zip(output_padding, shape.stride, shape.dilation, strict=True)):
        return _input_gradient_by_autograd(layer, g, weight, grid)
    out: Tensor = _TRANSPOSE[dims](g, weight, None, shape.stride, shape.padding, output_padding, 1, shape.dilation)
    return out


def _input_gradient_by_autograd(layer: nn.Module, g: Tensor, weight: Tensor, grid: tuple[int, ...]) -> Tensor:
    x = g.new_zeros((g.shape[0], weight.shape[1], *grid), requires_grad=True)
    with torch.enable_grad():
        (found,) = vector_products([apply_layer(layer, x, weight)], [x], [g])
    assert found is not None
    return found


def _same_padding(shape: Geometry) -> list[int]:
    pads: list[int] = []
    for kernel, dilation, front in zip(shape.kernel, shape.dilation, shape.padding, strict=True):
        pads = [front, dilation * (kernel - 1) - front, *pads]
    return pads

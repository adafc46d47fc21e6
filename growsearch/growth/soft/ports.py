"""Where the units of a site pass through modules: what its gates multiply, and where the size enters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Run, Site
from growsearch.growth.stream_units import require_no_stream
from growsearch.growth.unit_owners import unit_owners


@dataclass(frozen=True)
class Port:
    """The channels of a site at the input of a consumer, or at the output of the module that owns `tensor`, a bias.

    `owners` `[channels]` has for every channel the index of its value among those of the site, unit after unit;
    channels of no unit have the index behind the last. A unit has `values` values there.
    """

    module: str
    owners: Tensor
    values: int
    tensor: str = ""

    def on_channels(self, values: Tensor, elsewhere: float) -> Tensor:
        """`values`, one for each position of the site's units, on all channels; `elsewhere` on the others."""
        on_channels: Tensor = torch.cat([values, values.new_full((1,), elsewhere)])[self.owners]
        return on_channels


def gate_ports(graph: NetworkGraph, model: nn.Module, site: Site) -> list[Port]:
    """The inputs of the site's consumers.

    Raises:
        GrowthRefused: gates there would not be the same as factors on the consumers' weights.
    """
    require_no_stream(site)
    if site.kind != "exact":
        raise GrowthRefused(f"site {site.name!r} is {site.kind}: {site.reason}")
    ports: dict[str, Port] = {}
    for name in site.consumers:
        call = graph.calls[name]
        layer = model.get_submodule(call.target) if call.kind == "module" else None
        if not isinstance(layer, nn.Linear | _ConvNd):
            raise GrowthRefused(
                f"site {site.name!r}: {name!r} takes its units in and is no nn.Linear or convolution module, so there "
                "cannot hold gates: make it a module, or leave this site out"
            )
        found = graph.input_layout(name, site.name)
        if found is None:
            raise GrowthRefused(f"site {site.name!r}: its units cannot be told apart at the input of {name!r}")
        owners = unit_owners(found[1], found[2], site.units)
        owners = torch.where(owners < 0, site.units, owners)
        port = Port(call.target, owners.to(layer.weight.device), 1)
        known = ports.setdefault(call.target, port)
        if not torch.equal(known.owners, port.owners):
            raise GrowthRefused(f"site {site.name!r}: {call.target!r} takes its units in at two different points")
    for use in site.axes:
        if use.role == "in" and (use.aliases or use.tied or use.module not in ports):
            shared = ", ".join(use.aliases) or use.tensor
            raise GrowthRefused(f"site {site.name!r}: the weight that takes its units in is used elsewhere ({shared})")
    return list(ports.values())


def input_port(graph: NetworkGraph, model: nn.Module, site: Site) -> Port | None:
    """Where the size enters as an input of the hidden units: before the activation, so that a bias can take it over.

    That is the first normalisation with a shift, else the first layer with a bias; None where there is neither.
    """
    parameters = dict(model.named_parameters())
    uses = {
        use.module: use
        for use in site.axes
        if use.role in ("shift", "bias") and not use.aliases and use.tensor in parameters
    }
    found = [
        uses[call.target]
        for call in graph.calls.values()
        if call.kind == "module" and call.target in uses and _channel_axis(model.get_submodule(call.target)) is not None
    ]
    if not found:
        return None
    use = min(found, key=lambda each: each.role != "shift")
    owners = _order(use.runs, use.size, site.units)
    values = sum(run.repeat for run in use.runs)
    return Port(use.module, owners.to(parameters[use.tensor].device), values, use.tensor)


def multiply(layer: nn.Module, x: Tensor, factors: Tensor) -> Tensor:
    """`x`, as it enters or leaves `layer`, times one factor for each channel."""
    return x * _along(layer, x, factors)


def add(layer: nn.Module, x: Tensor, values: Tensor) -> Tensor:
    """`x`, as it leaves `layer`, plus one value for each channel."""
    return x + _along(layer, x, values)


def _along(layer: nn.Module, x: Tensor, values: Tensor) -> Tensor:
    axis = _channel_axis(layer)
    if axis is None:
        raise GrowthRefused(
            f"the channels of a {type(layer).__name__} are not known: use linear and convolution layers"
        )
    behind = x.ndim - 1 - axis if axis >= 0 else -1 - axis
    return values.to(x.dtype).view(-1, *[1] * behind)


def _channel_axis(layer: nn.Module) -> int | None:
    """Axis of the channels of what enters and leaves a layer; None where it is not known."""
    if isinstance(layer, nn.Linear):
        return -1
    if isinstance(layer, _ConvNd):
        return -1 - len(layer.kernel_size)
    return 1 if isinstance(layer, _NormBase) else None


def _order(runs: Sequence[Run], channels: int, units: int) -> Tensor:
    """For every channel its place among all channels of the site, unit after unit."""
    each = sum(run.repeat for run in runs)
    order = torch.full((channels,), units * each)
    taken = 0
    for run in runs:
        within = taken + torch.arange(run.repeat)
        order[run.span(units)] = (each * torch.arange(units)[:, None] + within).flatten()
        taken += run.repeat
    return order

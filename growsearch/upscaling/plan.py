"""What to add where, so that a network has the sizes that are wished for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph
from growsearch.upscaling.roles import Measured, Roles, roles_of
from growsearch.upscaling.wishes import Wish, Wishes, reached


@dataclass(frozen=True)
class Plan:
    """`channels` to add by site, `blocks` by block site, and by axis the sizes before and after.

    Axes are `depth`, `residual`, `heads` and `mlp`; where blocks differ, the largest size stands for them. `measured`
    are the sites by name.
    """

    channels: Mapping[str, int]
    blocks: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    measured: Mapping[str, Measured]

    def shapes(self, model: nn.Module) -> dict[str, tuple[int, ...]]:
        """Return the shape that every tensor of `model` will have, by name, with all names of shared ones."""
        shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        for name, channels in self.channels.items():
            site = self.measured[name].site
            for use in site.axes:
                for tensor in dict.fromkeys((use.tensor, *use.aliases)):
                    more = channels // site.granularity * sum(run.repeat for run in use.runs)
                    shapes[tensor][use.axis] += more
        return {name: tuple(shape) for name, shape in shapes.items()}


def plan_sizes(graph: NetworkGraph, wishes: Wishes) -> Plan:
    """Return what `wishes` mean in the network of `graph`.

    Raises:
        GrowthRefused: no site can have that size, or there are no such sites.
        InputError: a size that is smaller than it is, or no whole number.
    """
    roles = roles_of(graph)
    channels: dict[str, int] = {}
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    measured = {**roles.residual, **roles.mlp, **roles.heads}
    blocks: dict[str, int] = {}
    if len(graph.block_sites) == 1:
        [(name, site)] = graph.block_sites.items()
        before["depth"] = after["depth"] = site.blocks
        if wishes.depth is not None:
            after["depth"] = reached(site.blocks, wishes.depth, "depth")
            blocks = {name: after["depth"] - site.blocks} if after["depth"] > site.blocks else {}
    elif wishes.depth is not None:
        raise GrowthRefused(f"depth: {_no_blocks(graph)}")
    if wishes.residual is not None and len(roles.residual) != 1:
        raise GrowthRefused(f"residual: {_no_residual(roles)}")
    streams = roles.residual if len(roles.residual) == 1 else {}
    axes = (
        ("residual", streams, wishes.residual),
        ("heads", roles.heads, wishes.heads),
        ("mlp", roles.mlp, wishes.mlp),
    )
    for axis, sites, wish in axes:
        if sites:
            before[axis] = after[axis] = max(each.size for each in sites.values())
        if wish is None:
            continue
        if not sites:
            raise GrowthRefused(f"{axis}: no block of this network has {_what(axis)} that can grow{_why(roles.frozen)}")
        multiple = 1 if axis == "heads" else wishes.round_to
        sizes = {name: _size(axis, name, each, wish, multiple) for name, each in sites.items()}
        channels.update({name: sites[name].channels(size) for name, size in sizes.items() if size > sites[name].size})
        after[axis] = max(sizes.values())
    return Plan(channels, blocks, before, after, measured)


def _size(axis: str, name: str, each: Measured, wish: Wish, multiple: int) -> int:
    size = reached(each.size, wish, axis, math.lcm(multiple, each.per_unit) if multiple > 1 else 1)
    if size % each.per_unit:
        low = size - size % each.per_unit
        near = f"{low} or {low + each.per_unit}" if low >= each.size else f"{low + each.per_unit}"
        served = " (one head of keys and values serves that many heads)" if axis == "heads" else ""
        raise GrowthRefused(
            f"{axis}: {size} cannot be reached: at {name!r} they come in groups of {each.per_unit}{served}: choose "
            f"{near}"
        )
    return size


def _no_blocks(graph: NetworkGraph) -> str:
    if graph.block_sites:
        return f"there are several stacks of blocks: {', '.join(graph.block_sites)}; grow one with growsearch.grow"
    reasons = "".join(f": {reason}" for reason in list(graph.no_block_sites.values())[:1])
    return f"this network has no stack of alike blocks that can become longer{reasons}"


def _no_residual(roles: Roles) -> str:
    if roles.residual:
        return f"there are several residual streams: {', '.join(roles.residual)}; grow one with growsearch.grow"
    reasons = [f"{name!r} cannot grow exactly: {reason}" for name, reason in roles.no_residual.items()]
    return (reasons or ["this network has none: no layers of several blocks add to the same channels"])[0]


def _what(axis: str) -> str:
    return "heads" if axis == "heads" else "an MLP"


def _why(frozen: Mapping[str, str]) -> str:
    return "".join(f"; {name!r} cannot, because {reason}" for name, reason in list(frozen.items())[:1])

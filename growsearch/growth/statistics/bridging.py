"""The bridging gradient of NeST: how the loss would change by a connection from the layer before to the layer after.

Entry `[m, n]` of B is E[g_m x_n]: `x` is what the producers of a site read, `g` the loss gradient at what its consumers
give (Dai et al. 2017, section on neuron growth). Convolutions have an entry for every pair of taps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth.statistics.capture import capture
from growsearch.growth.statistics.collect import ChannelProblem, batch_size
from growsearch.growth.statistics.endpoints import Endpoint, consumers, distinct, producers, unit_channels
from growsearch.surgery import undisturbed


def fully_connected(graph: NetworkGraph, model: nn.Module, site: Site) -> bool:
    """Whether a site lies between linear layers only, each called once, with one weight for every pair of units."""
    if unit_channels(site) > 1:
        return False
    try:
        ends = (producers(graph, model, site, 0), consumers(graph, model, site, 0))
    except GrowthRefused:
        return False
    plain = all(not end.kernel and end.slots == 1 for group in ends for end in group)
    return plain and all(len(distinct(group)) == len(group) for group in ends)


def bridging_gradients(
    model: nn.Module,
    graph: NetworkGraph,
    sites: Mapping[str, Site],
    objective: Callable[[nn.Module, Any], Tensor],
    batches: Sequence[Any],
) -> dict[str, Tensor]:
    """B `[outputs of the consumers, inputs of the producers]` of every site, the mean over the batches' samples.

    Between linear layers it is what the paper has, whatever lies between. Elsewhere it is the matrix of GradMax, in
    which the path's derivative at zero counts too; `GrowthRefused` where a site has none.

    Args:
        model: the network.
        graph: its graph.
        sites: by name.
        objective: the loss of a batch.
        batches: all that count.
    """
    ends = {
        name: (producers(graph, model, site, 0), consumers(graph, model, site, 0))
        for name, site in sites.items()
        if fully_connected(graph, model, site)
    }
    problems = {
        name: [ChannelProblem(model, graph, site, channel, 1) for channel in range(unit_channels(site))]
        for name, site in sites.items()
        if name not in ends
    }
    firsts = {e.module for pair in ends.values() for e in pair[0]}
    seconds = {e.module for pair in ends.values() for e in pair[1]}
    for problem in (p for group in problems.values() for p in group):
        firsts |= {e.module for e in problem.producers}
        seconds |= {e.module for e in problem.consumers}
    found: dict[str, Tensor] = {}
    sizes = [batch_size(batch) for batch in batches]
    for batch, size in zip(batches, sizes, strict=True):
        with undisturbed(model):
            seen = capture(model, objective, batch, inputs_of=firsts, gradients_of=seconds)
        for name in sites:
            if name in ends:
                x, g = _rows(seen.inputs, ends[name][0]), _rows(seen.gradients, ends[name][1])
                part = g.T @ x
            else:
                part = torch.cat([p.operator(seen).dense() for p in problems[name]])
            found[name] = found.get(name, torch.zeros_like(part)) + part * (size / sum(sizes))
    return found


def _rows(tensors: Mapping[tuple[str, int], Tensor], ends: Sequence[Endpoint]) -> Tensor:
    """`[samples and positions, channels of all layers]`, in float32 or better."""
    parts = []
    for end in ends:
        value = tensors.get((end.module, 0))
        if value is None:
            raise GrowthRefused(f"the objective does not run, or does not depend on, layer {end.module!r}")
        parts.append(value.reshape(-1, value.shape[-1]))
    rows = torch.cat(parts, 1)
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows

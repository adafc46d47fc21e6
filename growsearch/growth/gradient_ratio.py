"""New units beside old ones: how large their gradients are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from growsearch.graph import AxisUse, NetworkGraph


def gradient_ratios(model: nn.Module, graph: NetworkGraph, added: Mapping[str, int], loss: Tensor) -> dict[str, float]:
    """Mean gradient norm of the last `added[site]` units of each site over that of the units before them.

    A unit's gradient is that of its incoming and outgoing weights together. A site whose old units have none is left
    out.

    Args:
        model: the network, grown.
        graph: its graph.
        added: units, by site.
        loss: of a batch that nobody has optimised on.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    uses = {
        name: [u for u in graph.sites[name].axes if u.role in ("in", "out") and parameters[u.tensor].requires_grad]
        for name in added
    }
    names = sorted({use.tensor for group in uses.values() for use in group})
    found = torch.autograd.grad(loss, [parameters[name] for name in names], allow_unused=True) if names else ()
    gradients = {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}
    ratios = {}
    for name, units in added.items():
        norms = _unit_norms(graph.sites[name].units, uses[name], gradients)
        new, old = float(norms[-units:].mean()), float(norms[:-units].mean())
        if old > 0:
            ratios[name] = new / old
    return ratios


def _unit_norms(units: int, uses: Sequence[AxisUse], gradients: Mapping[str, Tensor]) -> Tensor:
    """Norm `[units]` of the gradients of each unit's weights."""
    total = torch.zeros(units, dtype=torch.float64)
    for use in uses:
        if use.tensor not in gradients:
            continue
        by_position = gradients[use.tensor].detach().double().square().movedim(use.axis, 0).flatten(1).sum(1).cpu()
        for run in use.runs:
            total += by_position[run.span(units)].reshape(units, -1).sum(1)
    return total.sqrt()

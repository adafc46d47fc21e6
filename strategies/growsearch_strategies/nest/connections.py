"""Connections that regrow or are pruned, and units that are cut off by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph import Site
from growsearch.growth import GrowthContext, Removal, Rewiring
from growsearch.growth.statistics.collect import batch_size
from growsearch.surgery import Edit, MaskEdit, Offset, dead_units, masks_of, undisturbed


def weights_of(model: nn.Module, sites: Mapping[str, Site]) -> dict[str, tuple[str, nn.Parameter]]:
    """The weights on the way into and out of the sites' units, each with the first site that it belongs to."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    found: dict[str, tuple[str, nn.Parameter]] = {}
    for name, site in sites.items():
        for use in site.axes:
            if use.role in ("in", "out") and parameters[use.tensor].ndim > 1:
                found.setdefault(use.tensor, (name, parameters[use.tensor]))
    return found


def seeded(model: nn.Module, sites: Mapping[str, Site], density: float, generator: torch.Generator) -> list[Edit]:
    """A random share of every weight's connections stays alive, among them one of every input and output channel.

    What is left is scaled so that a unit's input keeps its variance.

    Args:
        model: the network.
        sites: whose weights get masks.
        density: share of the connections that live.
        generator: that they are drawn from.
    """
    edits: list[Edit] = []
    for name, (_, weight) in weights_of(model, sites).items():
        draws = torch.rand(weight.shape, generator=generator)
        alive = torch.zeros(weight.numel(), dtype=torch.bool)
        alive[draws.flatten().argsort()[: math.ceil(density * weight.numel())]] = True
        for axis in (0, 1):
            by_channel = draws.movedim(axis, 0).flatten(1).argmin(1)
            index = torch.arange(weight.numel()).view(weight.shape).movedim(axis, 0).flatten(1)
            alive[index.gather(1, by_channel[:, None]).flatten()] = True
        scale = (weight.numel() / int(alive.sum())) ** 0.5
        edits += [
            Offset(name, (scale - 1) * weight.detach()),
            MaskEdit(name, prune=(~alive).nonzero().flatten()),
        ]
    return edits


def regrown(context: GrowthContext, share: float) -> list[Rewiring]:
    """Of the dormant connections the `share` with the largest mean |gradient|, as far as the budget has room."""
    masks = masks_of(context.model)
    weights = {name: own for name, own in weights_of(context.model, context.sites).items() if name in masks}
    if not weights:
        return []
    gradients = _gradients(context, {name: weight for name, (_, weight) in weights.items()})
    scores = {name: gradients[name].abs().masked_fill(masks[name], 0.0).flatten() for name in weights}
    room = context.allowance.parameters - context.ledger().parameters
    dormant = sum(int((~masks[name]).sum()) for name in weights)
    chosen = _largest(scores, max(0, min(room, math.ceil(share * dormant))))
    return [
        Rewiring(
            site=weights[name][0],
            index=0,
            parameters=len(positions),
            flops=0,
            edit=MaskEdit(name, regrow=positions.cpu()),
            dormant=-len(positions),
            score=float(scores[name][positions].sum()),
        )
        for name, positions in chosen.items()
    ]


def pruned(context: GrowthContext, share: float, density: float, state: dict[str, Any]) -> list[Rewiring]:
    """Of the living connections the `share` of smallest magnitude, as batch normalisation right behind them makes it.

    At least `density` of those that there were, dead or alive, when pruning began stay alive.

    Args:
        context: the event.
        share: of the living connections.
        density: share at which pruning stops.
        state: where the number of connections is remembered.
    """
    masks = masks_of(context.model)
    weights = weights_of(context.model, context.sites)
    factors = normalised(context)
    scores = {}
    for name, (_, weight) in weights.items():
        size = weight.detach().abs()
        if name in factors and len(factors[name]) == len(size):
            size = size * factors[name].view(-1, *[1] * (size.ndim - 1))
        # The smallest come first; dormant ones never.
        scores[name] = (-size if name not in masks else torch.where(masks[name], -size, -torch.inf)).flatten()
    alive = sum(int(score.isfinite().sum()) for score in scores.values())
    whole = state.setdefault("connections", sum(len(score) for score in scores.values()))
    least = math.ceil(density * whole)
    chosen = _largest(scores, min(int(share * alive), alive - least), floor=-math.inf)
    return [
        Rewiring(
            site=weights[name][0],
            index=0,
            parameters=-len(positions),
            flops=0,
            edit=MaskEdit(name, prune=positions.cpu()),
            dormant=len(positions),
            exact=False,
        )
        for name, positions in chosen.items()
    ]


def normalised(context: GrowthContext) -> dict[str, Tensor]:
    """By weight, the |gamma| / sigma of a batch normalisation that reads the layer, per output channel."""
    found: dict[str, Tensor] = {}
    for call in context.graph.calls.values():
        norm = context.model.get_submodule(call.target) if call.kind == "module" else None
        sources = [context.graph.calls[name] for _, name in call.references()]
        if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or norm.running_var is None or len(sources) != 1:
            continue
        deviation = (norm.running_var + norm.eps).sqrt()
        scale = torch.ones_like(deviation) if norm.weight is None else norm.weight.detach().abs()
        if sources[0].kind == "module":
            found[f"{sources[0].target}.weight"] = scale / deviation
    return found


def dead(context: GrowthContext) -> list[Removal]:
    """Removals of the units that have no incoming or no outgoing connection left."""
    masks, objective, batch = masks_of(context.model), context.objective, context.batches[0]
    assert objective is not None
    found = []
    for each in dead_units(context.model, context.graph, lambda: objective(context.model, batch)):
        site = context.sites.get(each.site)
        if site is None or each.unit not in context.eligible(each.site):
            continue
        found.append(
            Removal(
                site=each.site,
                index=each.unit,
                parameters=-site.parameters_per_unit,
                flops=-site.flops_per_unit,
                removed=each.unit,
                offsets=each.offsets,
                dormant=-_dormant_of(site, each.unit, masks),
            )
        )
    return found


def _dormant_of(site: Site, unit: int, masks: Mapping[str, Tensor]) -> int:
    """Dormant connections that go with a unit."""
    count = 0
    for use in site.axes:
        if use.tensor in masks:
            mask = masks[use.tensor]
            own = mask.index_select(use.axis, torch.tensor(use.positions(unit), device=mask.device))
            count += int((~own).sum())
    return count


def _gradients(context: GrowthContext, weights: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The mean gradient over all samples of the event's batches."""
    assert context.objective is not None
    sizes = [batch_size(batch) for batch in context.batches]
    wanted = {name: weight for name, weight in weights.items() if weight.requires_grad}
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for batch, size in zip(context.batches, sizes, strict=True):
        with undisturbed(context.model), torch.enable_grad():
            loss = context.objective(context.model, batch)
            found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
        for name, gradient in zip(wanted, found, strict=True):
            if gradient is not None:
                total[name] += gradient * (size / sum(sizes))
    return total


def _largest(scores: Mapping[str, Tensor], count: int, floor: float = 0.0) -> dict[str, Tensor]:
    """The positions of the `count` largest scores above `floor`, by tensor, each in rising order."""
    joined = torch.cat([score.cpu() for score in scores.values()]) if scores else torch.empty(0)
    order = joined.argsort(descending=True, stable=True)[: max(0, count)]
    taken = torch.zeros(len(joined), dtype=torch.bool)
    taken[order[joined[order] > floor]] = True
    parts = torch.split(taken, [len(score) for score in scores.values()])
    found = {name: part.nonzero().flatten() for name, part in zip(scores, parts, strict=True)}
    return {name: positions for name, positions in found.items() if len(positions)}


def dormant_in(fills: Mapping[tuple[str, int], Tensor], masks: Mapping[str, Tensor] | Sequence[str]) -> int:
    """How many connections of a sparse new unit start dormant."""
    return sum(int((value == 0).sum()) for (tensor, _), value in fills.items() if tensor in masks)

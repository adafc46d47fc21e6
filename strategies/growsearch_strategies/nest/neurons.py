"""Neurons between linear layers, from the bridging gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from growsearch.growth import GrowthContext, NewUnit, SiteEnds
from growsearch.surgery import masks_of
from growsearch_strategies.nest.connections import dormant_in


def neurons(context: GrowthContext, name: str, bridge: Tensor, units: int, beta: float, alpha: float) -> list[NewUnit]:
    """Up to `units` neurons at a site, each from the next share `beta` of the entries of B, the largest first.

    Args:
        context: of the event.
        name: of the site.
        bridge: B, `[outputs, inputs]`.
        units: how many.
        beta: share of the entries of B for one.
        alpha: size of weights, in mean weights of the layers.
    """
    ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
    vectors = neuron_vectors(bridge.double().cpu(), units, beta, context.generator)
    if vectors is None:
        return []
    incoming, outgoing, scores = vectors
    if ends.path.one_sided:
        incoming, outgoing = _active(incoming, outgoing)
    incoming = incoming * (alpha * _mean_size(context, ends, "incoming"))
    outgoing = outgoing * (alpha * _mean_size(context, ends, "outgoing"))
    out = ends.fills("outgoing", [outgoing])
    masks = masks_of(context.model)
    found = []
    for index, one in enumerate(ends.candidates("outgoing", [incoming], scores)):
        fills = {**one.fills, **{key: value[index] for key, value in out.items()}}
        found.append(replace(one, fills=fills, sparse=True, dormant=dormant_in(fills, masks), exact=False))
    return found


def neuron_vectors(
    bridge: Tensor, units: int, beta: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, list[float]] | None:
    """Incoming `[units, inputs]` and outgoing `[units, outputs]` weights of mean size 1, and sum |B| of their entries.

    Before they are scaled they are those of `opposed`. None where B is 0.

    Args:
        bridge: B, `[outputs, inputs]`.
        units: how many.
        beta: share of the entries of B for one.
        generator: that signs are drawn from.
    """
    size = bridge.abs().flatten()
    order = size.argsort(descending=True, stable=True)[: int((size > 0).sum())]
    if not len(order):
        return None
    share = math.ceil(beta * size.numel())
    blocks = torch.split(order, share)
    incoming, outgoing = bridge.new_zeros(units, bridge.shape[1]), bridge.new_zeros(units, bridge.shape[0])
    scores = []
    for unit in range(units):
        block = blocks[unit % len(blocks)]
        incoming[unit], outgoing[unit] = opposed(bridge, block, generator)
        scores.append(float(size[block].sum()))
    return _of_mean_one(incoming), _of_mean_one(outgoing), scores


def opposed(bridge: Tensor, entries: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Incoming omega `[inputs]` and outgoing psi `[outputs]` weights of one neuron for some flat entries of B.

    For every entry (m, n) and a random sign e: omega_n += e sqrt|B|, psi_m -= e sgn(B) sqrt|B|. So psi_m omega_n is
    -B at an entry that shares its row and its column with no other. Where entries share one, what they add to each
    other has a random sign: psi omega' is -B at the entries and 0 elsewhere in the mean over the signs, but in one
    draw the smaller entries of a row or column may have the wrong sign (the largest of a pair never, the other half the
    time).
    """
    size = bridge.flatten()[entries].abs()
    roots = size.sqrt() * (torch.randint(0, 2, (len(entries),), generator=generator) * 2 - 1)
    rows, columns = entries.div(bridge.shape[1], rounding_mode="floor"), entries % bridge.shape[1]
    incoming = bridge.new_zeros(bridge.shape[1]).index_add_(0, columns, roots)
    outgoing = bridge.new_zeros(bridge.shape[0]).index_add_(0, rows, -roots * bridge.flatten()[entries].sign())
    return incoming, outgoing


def _active(incoming: Tensor, outgoing: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides of a unit with the sign at which it responds to inputs that are never negative; psi omega' stays.

    Behind ReLU a unit of negative weights would be silent for such inputs, and never learn.
    """
    signs = torch.where(incoming.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return incoming * signs, outgoing * signs


def _of_mean_one(rows: Tensor) -> Tensor:
    """Every row scaled so that its entries that are not 0 have mean size 1."""
    size = rows.abs().sum(1, keepdim=True) / (rows != 0).sum(1, keepdim=True).clamp_min(1)
    return rows / size.clamp_min(torch.finfo(rows.dtype).tiny)


def _mean_size(context: GrowthContext, ends: SiteEnds, side: str) -> float:
    """Mean |W| of the living connections on one side of the site."""
    masks = masks_of(context.model)
    total, count = 0.0, 0
    for end in (ends.producers if side == "incoming" else ends.consumers)[0]:
        weight = ends.weight(end)
        mask = masks.get(end.use.tensor)
        total += float(weight.abs().sum())
        count += weight.numel() if mask is None else int(mask.sum())
    return total / count if total > 0 else 1.0 / math.sqrt(max(1, ends.length("incoming", 0)))

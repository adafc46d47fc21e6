"""Feature maps, and every other unit that is no neuron between linear layers: the best of random sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from growsearch.growth import ExpandedModel, GrowthContext, NewUnit, SiteEnds, random_directions
from growsearch.surgery import undisturbed


def feature_maps(context: GrowthContext, name: str, units: int, trials: int, alpha: float) -> list[NewUnit]:
    """Of `trials` sets of random feature maps the one that lowers the loss most, on the event's first batch.

    Args:
        context: of the event.
        name: of the site.
        units: how many.
        trials: sets that are tried.
        alpha: size of weights, in mean weights of the layers.
    """
    ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
    sets = [_random_set(ends, units, alpha, context.generator) for _ in range(trials)]
    before, losses = _losses(context, sets)
    best = min(range(trials), key=lambda trial: losses[trial])
    gain = (before - losses[best]) / units
    return [replace(c, score=gain, predicted_change=-gain) for c in sets[best]]


def _random_set(ends: SiteEnds, units: int, alpha: float, generator: torch.Generator) -> list[NewUnit]:
    """Signed Gaussian kernels on both sides, of `alpha` times the mean norm of the existing units'."""
    channels = range(len(ends.producers))
    incoming, outgoing = (
        [
            random_directions(units, ends.length(side, i), generator) * (alpha * ends.mean_norm(side, i))
            for i in channels
        ]
        for side in ("incoming", "outgoing")
    )
    out = ends.fills("outgoing", outgoing)
    return [
        replace(one, fills={**one.fills, **{key: value[i] for key, value in out.items()}}, exact=False)
        for i, one in enumerate(ends.candidates("outgoing", incoming))
    ]


def _losses(context: GrowthContext, sets: Sequence[list[NewUnit]]) -> tuple[float, list[float]]:
    """The loss as it is, and with each set installed."""
    assert context.objective is not None
    batch = context.batches[0]
    expanded = ExpandedModel(context.model, context.graph, sets[0])
    with undisturbed(context.model), torch.no_grad():
        before = float(context.objective(context.model, batch))
    found = []
    for candidates in sets:
        # Every set is judged with the same random numbers and running statistics.
        with undisturbed(expanded.model):
            found.append(float(expanded.loss(candidates, context.objective, batch).detach()))
    return before, found

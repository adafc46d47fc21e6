"""TINY: new units for what a layer cannot express of the change that the loss asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import (
    Candidate,
    ExpandedModel,
    GrowthContext,
    Initializer,
    Need,
    NewUnit,
    Objective,
    SiteEnds,
    WithoutDropout,
    dropout_off,
)
from growsearch.growth.statistics.path_response import OutgoingGradients
from growsearch.surgery import undisturbed
from growsearch_strategies.tiny.bottleneck import Bottleneck, ExpressivityBottleneck, require_bottleneck

__all__ = ["Tiny"]

AMPLITUDES = tuple(4.0**power for power in range(-7, 3))


class Tiny(Initializer):
    """The best new units for the part of the desired change of a layer's output that the layer itself cannot make.

    Of the wish -g at the output of the layers that read the site, what their own weights can do is taken away; the rest
    is matched by new units, to first order, through the singular vectors of the whitened matrix (see
    `tiny.bottleneck`): incoming `sqrt(s) E[x x']^(-1/2) u`, outgoing `sqrt(s) v`, those with s of at least `threshold`.
    Both sides are then scaled so that their product has one amplitude for all units of the event, the one of a grid of
    powers of 4 at which the loss is lowest.

    Ours: the layers' own changes are left to the training. Behind a one-sided activation the sign of a pair is the one
    that lowers the loss, by the gradient at the outgoing weights through the activation as it is; that gradient is also
    the predicted change. Behind batch normalisation, where incoming weights have no size, the outgoing side has all of
    it. Where several layers make a site's units, each is whitened by itself.
    """

    summary: ClassVar[str] = "new units for what the layer cannot express of the change that the loss asks for"
    why: ClassVar[str] = "capacity where a layer is the bottleneck, in the direction that it lacks"
    source: ClassVar[str] = (
        "Verbockhaven et al. 2024, Growing Tiny Networks: Spotting Expressivity Bottlenecks and Fixing Them Optimally, "
        "propositions 3.1 and 3.2"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    usual: ClassVar[tuple[str, str]] = ("interval", "expressivity")
    finds_size: ClassVar[str] = "with its threshold: no unit where a layer lacks nothing"
    preserves: ClassVar[str] = "nothing: the units have the size at which the loss is lowest"
    exact: ClassVar[bool] = False

    threshold: float = Field(1e-3, ge=0, description="least singular value s of a unit")

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        SiteEnds(model, graph, site, trainable)
        require_bottleneck(model, graph, site.name)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        objective, batches = context.needed("gradients")
        requests = {name: ExpressivityBottleneck(name) for name, units in plan.items() if units > 0}
        context.statistics.collect(requests.values())
        found = {name: context.statistics.get(request) for name, request in requests.items()}
        counts = {n: min(plan[n], int((each.values >= self.threshold).sum())) for n, each in found.items()}
        drafts = [_Draft.of(context, name, found[name], count) for name, count in counts.items() if count]
        if not drafts:
            return []
        responses = _Responses(context, [draft.name for draft in drafts], objective, batches)
        drafts = [draft.oriented(responses) for draft in drafts]
        amplitude = _searched(context, drafts, objective, batches[0])
        return [candidate for draft in drafts for candidate in draft.predicted(responses, amplitude)]


@dataclass(frozen=True)
class _Draft:
    """New units of one site: `values` s, unit `outgoing` vectors and whitened `incoming` ones."""

    name: str
    ends: SiteEnds
    values: Tensor
    incoming: Tensor
    outgoing: Tensor
    slope: float

    @classmethod
    def of(cls, context: GrowthContext, name: str, found: Bottleneck, count: int) -> _Draft:
        """The leading units of a site's bottleneck."""
        ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
        like = ends.weight(ends.producers[0][0])
        parts = (found.values[:count], found.incoming[:count], found.outgoing[:count])
        values, incoming, outgoing = (part.to(like) for part in parts)
        return cls(name, ends, values, incoming, outgoing, found.slope)

    def sides(self, amplitude: float) -> tuple[Tensor, Tensor]:
        """Incoming and outgoing weights `[units, length]`; the product of both is `amplitude` times s."""
        size = (amplitude * self.values)[:, None]
        if self.ends.path.normalised:
            return self.incoming, size * self.outgoing
        return size.sqrt() * self.incoming, size.sqrt() * self.outgoing

    def oriented(self, responses: _Responses) -> _Draft:
        """With the signs that lower the loss, where the activation tells the two sides of 0 apart."""
        if not self.ends.path.one_sided:
            return self
        there, back = (responses.changes(self.name, sign * self.incoming, sign * self.outgoing) for sign in (1.0, -1.0))
        sign = torch.where(back < there, -1.0, 1.0).to(self.incoming)[:, None]
        return replace(self, incoming=sign * self.incoming, outgoing=sign * self.outgoing)

    def candidates(self, amplitude: float) -> list[NewUnit]:
        """The units at one amplitude."""
        incoming, outgoing = self.sides(amplitude)
        fills = self.ends.fills("outgoing", [outgoing])
        scores = [self.slope * float(s) ** 2 for s in self.values]
        return [
            replace(c, fills={**c.fills, **{key: value[c.index] for key, value in fills.items()}}, exact=False)
            for c in self.ends.candidates("outgoing", [incoming], scores=scores)
        ]

    def predicted(self, responses: _Responses, amplitude: float) -> list[NewUnit]:
        """The units with the change of the loss that they bring, to first order in their outgoing weights."""
        changes = responses.changes(self.name, *self.sides(amplitude))
        return [replace(c, predicted_change=float(changes[c.index])) for c in self.candidates(amplitude)]


class _Responses:
    """The loss gradient at outgoing weights of 0, as a function of incoming weights, mean over the batches."""

    def __init__(
        self, context: GrowthContext, names: Sequence[str], objective: Objective, batches: Sequence[Any]
    ) -> None:
        self._gradients = OutgoingGradients(context.model, context.graph, names, objective)
        self._batches = batches

    def changes(self, name: str, incoming: Tensor, outgoing: Tensor) -> Tensor:
        """`[units]`: the inner product of the outgoing weights and their gradient."""
        total = torch.zeros(len(incoming), dtype=torch.float64)
        for batch in self._batches:
            gradient = self._gradients.on(batch)[name][0](incoming)
            total += (gradient.double() * outgoing.to(gradient).double()).sum(1).cpu() / len(self._batches)
        return total


def _searched(context: GrowthContext, drafts: Sequence[_Draft], objective: Objective, batch: Any) -> float:
    """The amplitude at which the loss with all units is lowest, on one batch."""

    def units(amplitude: float) -> list[Candidate]:
        return [candidate for draft in drafts for candidate in draft.candidates(amplitude)]

    expanded = ExpandedModel(context.model, context.graph, units(1.0))
    dropout_off(expanded.model)
    losses = {}
    for amplitude in AMPLITUDES:
        with undisturbed(expanded.model), WithoutDropout(), torch.no_grad():
            loss = float(expanded.loss(units(amplitude), objective, batch).detach())
        losses[amplitude] = loss if loss == loss else float("inf")
    return min(losses, key=lambda amplitude: losses[amplitude])

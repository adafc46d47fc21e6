"""Firefly: new units and splits that are trained together before the best of them are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from growsearch.growth import (
    Candidate,
    ExpandedModel,
    FillKey,
    GrowthContext,
    GrowthFailed,
    Initializer,
    Kinds,
    Need,
    NewLayer,
    NewUnit,
    Objective,
    SiteEnds,
    Split,
    WithoutDropout,
    dropout_off,
    gate_scores,
    new_layer,
    random_directions,
)
from growsearch.surgery import undisturbed

End = Literal["incoming", "outgoing"]
FRESH = 0.1
"""Norm with which the outgoing weights of new units start, in radii of their ball."""


class Firefly(Initializer):
    """A pool of new units and of splits at every site, all installed in one copy of the network and trained jointly.

    A split turns a unit into two, theta + delta and theta - delta, with half of its outgoing weights each; a new unit
    has random incoming weights and small outgoing ones. Adam moves the deltas and the new units' weights on training
    batches while the network itself is frozen. After each step every candidate is pulled back into its ball: deltas to
    `epsilon` mean norms of the existing units' incoming weights, both sides of new units to sqrt(`epsilon`) mean norms
    of the existing units' weights on that side; behind batch normalisation, where the incoming norm has no effect, the
    outgoing side to `epsilon`.

    Then each candidate gets a gate, and the best are kept: those at whose gates the gradient, integrated along the path
    on which the gates open, promises the largest fall of the loss. They are scored on batches on which they were not
    trained, where there are enough.

    New layers are candidates too, with `layers`: they start as the identity, and `where: firefly` scores them by one
    step of descent.

    The paper leaves the optimizer, the norms and the batches open, and asks for all gates to be reset to their bound
    after the selection; here the units keep the size that they have learned. The sides are alike because the same
    function with small outgoing and large incoming weights is many times sharper for the steps of training that follow.
    """

    summary: ClassVar[str] = "new units and splits trained together for a few steps, the network frozen"
    source: ClassVar[str] = "Wu et al. 2020, Firefly Neural Architecture Descent, section 2"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "candidates judged after a little training rather than at birth"
    usual: ClassVar[tuple[str, str]] = ("phases", "firefly")
    preserves: ClassVar[str] = "nothing: the function changes by what the units have learned"
    exact: ClassVar[bool] = False
    makes: ClassVar[Kinds] = frozenset({NewUnit, Split, NewLayer})

    pool: float = Field(2.0, ge=1, description="candidates that are trained, in multiples of the planned units")
    splits: float = Field(0.5, ge=0, le=1, description="share of the pool that splits an existing unit")
    epsilon: float = Field(
        0.1, gt=0, description="size of a candidate: of a split's shift, or the product of a new unit's two sides"
    )
    steps: int = Field(20, ge=1, description="steps of Adam, a batch each")
    lr: float = Field(0.1, gt=0, description="learning rate, in radii of the ball per step")
    points: int = Field(3, ge=1, description="points on the path of the gates")
    samples: int = Field(4, ge=1, description="batches that the scores are averaged over")
    layers: int = Field(0, ge=0, description="new layers that are proposed too, at random places; needs where: firefly")

    def made(self) -> Kinds:
        return self.makes if self.layers else self.makes - {NewLayer}

    def batches(self) -> int:
        return self.steps + self.samples

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        objective, batches = context.needed("gradients")
        pool = [part for name, units in plan.items() if units for part in self._pool(name, units, context)]
        self._train(pool, objective, batches[: -self.samples] or batches, context)
        with torch.no_grad():
            found = _all(pool)
        judging = batches[-self.samples :]
        scores = gate_scores(context.model, context.graph, found, objective, judging, self.points)
        ranked = sorted(zip(scores, found, strict=True), key=lambda pair: pair[0])
        by_site = {name: [pair for pair in ranked if pair[1].site == name][:units] for name, units in plan.items()}
        widening = [
            replace(c, index=rank, score=-score, predicted_change=score)
            for pairs in by_site.values()
            for rank, (score, c) in enumerate(pairs)
        ]
        return widening + self._layers(context)

    def _layers(self, context: GrowthContext) -> list[Candidate]:
        """Layers at random places, which start as the identity and are not trained before."""
        places = list(context.layer_sites)
        order = torch.randperm(len(places), generator=context.generator).tolist()[: self.layers]
        found = [new_layer(places[i], context.layer_sites[places[i]], context.generator) for i in sorted(order)]
        return [candidate for candidate in found if candidate is not None]

    def _pool(self, name: str, units: int, context: GrowthContext) -> list[_NewUnits | _Splits]:
        """What is trained at one site."""
        ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
        wanted = math.ceil(self.pool * units)
        # A copy's share of outgoing weights that are tied to incoming ones would change these.
        eligible = [] if any(use.tied for use in ends.site.axes) else context.eligible(name)
        order = torch.randperm(len(eligible), generator=context.generator).tolist()
        sources = [eligible[place] for place in order[: int(self.splits * wanted)]]
        parts: list[_NewUnits | _Splits] = []
        if len(sources) < wanted:
            size = 1.0 if ends.path.normalised else math.sqrt(self.epsilon)
            incoming = _Ball(ends, "incoming", wanted - len(sources), size, 1.0, context.generator)
            outgoing = _Ball(ends, "outgoing", incoming.count, self.epsilon / size, FRESH, context.generator)
            parts.append(_NewUnits(incoming, outgoing))
        if sources:
            parts.append(_Splits(_Ball(ends, "incoming", len(sources), self.epsilon, 1.0, context.generator), sources))
        return parts

    def _train(
        self, pool: Sequence[_NewUnits | _Splits], objective: Objective, batches: Sequence[Any], context: GrowthContext
    ) -> None:
        expanded = ExpandedModel(context.model, context.graph, _all(pool))
        dropout_off(expanded.model)
        balls = [ball for part in pool for ball in part.balls]
        optimizer = torch.optim.Adam([group for ball in balls for group in ball.parameters(self.lr)])
        with undisturbed(expanded.model), WithoutDropout():
            for done, batch in enumerate(islice(cycle(batches), self.steps), 1):
                loss = expanded.loss(_all(pool), objective, batch)
                if not torch.isfinite(loss.detach()).all():
                    raise GrowthFailed("the objective is not finite while candidates are trained: lower lr or epsilon")
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                for ball in balls:
                    ball.project()
                context.report(done, self.steps, "firefly: candidates train")


class _Ball:
    """Per channel one side's weights `[candidates, length]`, each at most `radius` mean norms of the units there."""

    def __init__(
        self, ends: SiteEnds, end: End, count: int, radius: float, start: float, generator: torch.Generator
    ) -> None:
        self.ends, self.end, self.count = ends, end, count
        channels = range(len(ends.producers))
        self.radii = [radius * ends.mean_norm(end, channel) for channel in channels]
        like = ends.weight(ends.producers[0][0])
        draws = [random_directions(count, ends.length(end, channel), generator).to(like) for channel in channels]
        self.vectors = [(start * r * draw).requires_grad_() for r, draw in zip(self.radii, draws, strict=True)]

    def parameters(self, lr: float) -> list[dict[str, Any]]:
        """Groups for Adam, whose steps have about the length `lr` radii."""
        pairs = zip(self.vectors, self.radii, strict=True)
        return [{"params": [v], "lr": lr * radius * v.shape[1] ** -0.5} for v, radius in pairs]

    def project(self) -> None:
        """Pull back what has left the ball."""
        with torch.no_grad():
            for v, radius in zip(self.vectors, self.radii, strict=True):
                v.mul_((radius / v.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1.0))

    def fills(self) -> list[dict[FillKey, Tensor]]:
        """Per candidate, this side as fills."""
        unbound = {key: value.unbind() for key, value in self.ends.fills(self.end, self.vectors).items()}
        return [{key: values[i] for key, values in unbound.items()} for i in range(self.count)]


class _NewUnits:
    """New units of one site."""

    def __init__(self, incoming: _Ball, outgoing: _Ball) -> None:
        self.balls = (incoming, outgoing)
        start = incoming.ends.candidates("outgoing", [v.detach() for v in incoming.vectors])
        self._start = [replace(c, exact=False) for c in start]

    def candidates(self) -> list[NewUnit]:
        """With the weights of now, differentiable."""
        sides = zip(self._start, *(ball.fills() for ball in self.balls), strict=True)
        return [replace(c, fills={**c.fills, **incoming, **outgoing}) for c, incoming, outgoing in sides]


class _Splits:
    """Splits of some units of one site into theta + delta and theta - delta."""

    def __init__(self, delta: _Ball, sources: Sequence[int]) -> None:
        self.balls = (delta,)
        self._sources = sources

    def candidates(self) -> list[Split]:
        """With the deltas of now, differentiable."""
        site = self.balls[0].ends.site
        return [
            Split(
                site=site.name,
                index=index,
                parameters=site.parameters_per_unit,
                flops=site.flops_per_unit,
                source=source,
                shifts={key: (value, -value) for key, value in delta.items()},
                exact=False,
            )
            for index, (source, delta) in enumerate(zip(self._sources, self.balls[0].fills(), strict=True))
        ]


def _all(pool: Sequence[_NewUnits | _Splits]) -> list[Candidate]:
    return [c for part in pool for c in part.candidates()]

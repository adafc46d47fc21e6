"""Where the gates of the candidates promise the largest fall of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from growsearch.growth import Candidate, GrowthContext, Need, NewLayer, Selector, gate_scores


class Firefly(Selector):
    """Every candidate gets a gate; those whose gates promise the largest fall of the loss are installed.

    All candidates of all sites are put into one copy of the network. The score of a gate is the derivative of the loss
    by it, averaged over the path on which all gates open together: the candidate's part of the change of the loss. The
    most negative are kept as far as the budget goes, and none whose score says that the loss rises.

    Works on candidates of any initializer. Those that leave the function as it is are scored after one step of descent
    of length `step` (what the paper trains, these have not): of their zero side, of a split unit and its copy in
    opposite directions, or of a new layer's last weights. In one event a unit is split at most once, and a layer is not
    put where the width changes.
    """

    summary: ClassVar[str] = "the candidates whose gates promise the largest fall of the loss"
    source: ClassVar[str] = "Wu et al. 2020, Firefly Neural Architecture Descent, section 2, step two"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "units where they lower the loss most, whichever way they start"
    layers_beside_units: ClassVar[bool] = True

    points: int = Field(3, ge=1, description="points on the path of the gates")
    step: float = Field(0.01, gt=0, description="step of candidates that change nothing yet, in mean norms")
    multiplier: float = Field(
        4.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )
    per_cost: bool = Field(False, description="rank by the fall per parameter (per FLOP under a budget of these)")
    samples: int = Field(4, ge=1, description="batches that the scores are averaged over")

    def batches(self) -> int:
        return self.samples

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return context.pool(self.multiplier)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        objective, batches = context.needed("gradients")
        batches = batches[-self.samples :]
        scores = gate_scores(context.model, context.graph, candidates, objective, batches, self.points, self.step)
        falling = [(score, c) for score, c in zip(scores, candidates, strict=True) if score < 0]
        falling.sort(key=lambda pair: (pair[0] / self._cost(pair[1], context), pair[1].site, pair[1].index))
        ledger, changed = context.ledger(), set()
        chosen: list[Candidate] = []
        for _, c in falling:
            unit = (c.site, c.unit)
            if (c.unit is None or unit not in changed) and _fits(c, chosen, context) and ledger.take(c):
                changed.add(unit)
                chosen.append(c)
        return chosen

    def _cost(self, candidate: Candidate, context: GrowthContext) -> float:
        if not self.per_cost:
            return 1.0
        flops = context.allowance.flops < context.allowance.parameters
        return float(max(1, candidate.flops if flops else candidate.parameters))


def _fits(candidate: Candidate, chosen: Sequence[Candidate], context: GrowthContext) -> bool:
    """Whether no layer meets a site whose width changes: it is made, and paid for, for the width of before."""
    for other in chosen:
        layer, unit = (candidate, other) if isinstance(candidate, NewLayer) else (other, candidate)
        if not isinstance(layer, NewLayer) or isinstance(unit, NewLayer):
            continue
        calls = [call.name for call in context.graph.calls.values() if call.target == layer.insertion.path]
        if any(context.graph.layout(call, unit.site) is not None for call in calls):
            return False
    return True

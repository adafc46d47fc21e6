"""Where the gradient of new units is largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from growsearch.growth import Candidate, GrowthContext, Need, Selector


class SingularValue(Selector):
    """Units go to the sites with the largest singular values of the gradient matrix.

    The i-th unit at a site scores its i-th singular value: for GradMax's unit i, the norm of the gradient at its
    incoming weights for outgoing weights of norm 1. Candidates of any initializer are ranked by the same numbers. For
    inserted layers it is the largest singular value of the gradient of a linear layer at that place.
    """

    summary: ClassVar[str] = "the sites with the largest singular values of the gradient matrix"
    why: ClassVar[str] = "units where the loss would use them at once"
    finds_size: ClassVar[str] = "with a threshold"
    source: ClassVar[str] = "Evci et al. 2022, GradMax, section 6; Maile et al. 2022, Structural Learning in ANNs"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient_matrix"})

    threshold: float | None = Field(None, ge=0, description="install only units with a larger singular value")
    relative: bool = Field(False, description="threshold is a share of the largest value seen in the run so far")
    multiplier: float = Field(
        4.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return context.pool(self.multiplier)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        values, state = self._values(candidates, context), context.state_of(self)
        largest = max([*values, float(state.get("largest", 0.0))])
        state["largest"] = largest
        bar = (self.threshold or 0.0) * (largest if self.relative else 1.0)
        ranked = sorted(zip(values, candidates, strict=True), key=lambda pair: (-pair[0], pair[1].site, pair[1].index))
        ledger = context.ledger()
        return [c for value, c in ranked if (self.threshold is None or value > bar) and ledger.take(c)]

    def _values(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[float]:
        plan: dict[str, int] = {}
        for c in candidates:
            plan[c.site] = max(plan.get(c.site, 0), c.index + 1)
        if context.depth_sites:
            strengths = context.strengths(plan)
            return [strengths[c.site] for c in candidates]
        triplets = context.triplets(plan)
        # A unit of several channels (grouped convolutions) counts all of them.
        return [float(sum(t.values[c.index] ** 2 for t in triplets[c.site])) ** 0.5 for c in candidates]

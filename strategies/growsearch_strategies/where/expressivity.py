"""Where a layer lacks most of what the loss asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from growsearch.errors import GrowthRefused
from growsearch.growth import Candidate, GrowthContext, Need, Selector
from growsearch_strategies.tiny.bottleneck import ExpressivityBottleneck

__all__ = ["Expressivity"]


class Expressivity(Selector):
    """Sites one after the other, the one with the largest first-order fall of the loss first, as the budget goes.

    The score of a site is `tr(M dW) + phi'(0) sum s_k^2`: what the best change of the layers that read it would do, and
    the units that are proposed there beside it (see `tiny.bottleneck`), whichever initializer made them. Sites without
    a bottleneck that could be found come last. For inserted layers: the largest singular value of the gradient of a
    linear layer at that place.
    """

    summary: ClassVar[str] = "the site where a layer's change and new units together lower the loss most"
    source: ClassVar[str] = (
        "Verbockhaven et al. 2024, Growing Tiny Networks: Spotting Expressivity Bottlenecks and Fixing Them Optimally, "
        "section 3"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "units at the layer that is the bottleneck"

    multiplier: float = Field(
        4.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return context.pool(self.multiplier)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        counts: dict[str, int] = {}
        for c in candidates:
            counts[c.site] = max(counts.get(c.site, 0), c.index + 1)
        scores = self._scores(counts, context) if counts else {}
        return context.ledger().fitting(sorted(candidates, key=lambda c: (-scores[c.site], c.site, c.index)))

    def _scores(self, counts: dict[str, int], context: GrowthContext) -> dict[str, float]:
        if context.depth_sites:
            return context.strengths(counts)
        context.needed("gradients")
        context.statistics.collect(ExpressivityBottleneck(name) for name in counts)
        return {name: self._score(name, count, context) for name, count in counts.items()}

    def _score(self, name: str, count: int, context: GrowthContext) -> float:
        try:
            return context.statistics.get(ExpressivityBottleneck(name)).gain(count)
        except GrowthRefused:
            return float("-inf")

"""Where the bridging gradient is largest; connections as the initializer proposes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from growsearch.growth import ADDING, Candidate, GrowthContext, GrowthRefused, Kinds, Need, Removal, Rewiring, Selector
from growsearch.growth.statistics.bridging import BridgingGradient


class NeST(Selector):
    """Connections first, then units at the sites whose bridging gradient has the largest entries.

    Connections to prune, and units whose removal keeps the function, are all taken: they make room. Then connections
    regrow, as far as the budget goes, and units take what it leaves: the i-th unit at a site scores the i-th largest
    |B| there, whichever initializer made it (a site for which B cannot be had comes last). An inserted layer scores the
    largest singular value of the gradient of a linear layer there.
    """

    summary: ClassVar[str] = "connections by their gradient or magnitude, units by the bridging gradient"
    source: ClassVar[str] = (
        "Dai, Yin and Jha 2017, NeST: A Neural Network Synthesis Tool Based on a Grow-and-Prune Paradigm"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "units between layers that have something to tell each other"
    takes: ClassVar[Kinds] = ADDING | {Removal, Rewiring}

    multiplier: float = Field(
        4.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )

    def plan(self, context: GrowthContext) -> dict[str, int]:
        """At least one unit a site, so that connections are proposed also where the budget has no room for units."""
        return {name: max(1, units) for name, units in context.pool(self.multiplier).items()}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        rewiring = [c for c in candidates if isinstance(c, Rewiring)]
        removals = [c for c in candidates if isinstance(c, Removal) and c.exact]
        shrinking = [c for c in rewiring if c.dormant > 0] + removals
        regrowing = [c for c in rewiring if c.dormant <= 0]
        units = [c for c in candidates if c.adds]
        scores = self._scores(units, context) if units else {}
        ranked = sorted(units, key=lambda c: (-scores[c.site, c.index], c.site, c.index))
        return context.ledger().fitting([*shrinking, *regrowing, *ranked])

    def _scores(self, units: Sequence[Candidate], context: GrowthContext) -> dict[tuple[str, int], float]:
        counts: dict[str, int] = {}
        for c in units:
            counts[c.site] = max(counts.get(c.site, 0), c.index + 1)
        if context.depth_sites:
            strengths = context.strengths(counts)
            return {(c.site, c.index): strengths[c.site] for c in units}
        context.needed("gradients")
        context.statistics.collect(BridgingGradient(name) for name in counts)
        values = {name: self._entries(name, count, context) for name, count in counts.items()}
        return {(c.site, c.index): values[c.site][c.index] for c in units}

    def _entries(self, name: str, count: int, context: GrowthContext) -> list[float]:
        """The largest entries |B| of a site, largest first, 0 where there are no more."""
        try:
            bridge = context.statistics.get(BridgingGradient(name))
        except GrowthRefused:
            return [0.0] * count
        entries: list[float] = bridge.abs().flatten().sort(descending=True).values[:count].tolist()
        return entries + [0.0] * (count - len(entries))

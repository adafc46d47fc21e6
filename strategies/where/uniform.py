"""All sites alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from growsearch.growth import Candidate, GrowthContext, Selector


class Uniform(Selector):
    """Every site gains in proportion to its seed width."""

    summary: ClassVar[str] = "every site, in proportion to its seed width"
    source: ClassVar[str] = "control"

    def plan(self, context: GrowthContext) -> dict[str, int]:
        allowance = context.allowance
        return {name: min(allowance.requests[name], allowance.caps[name]) for name in context.names}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        requests = context.allowance.requests
        ledger = context.ledger()
        # In step with each other, so that a budget that ends in between leaves the sites in proportion.
        return [c for c in sorted(candidates, key=lambda c: (c.index + 1) / requests[c.site]) if ledger.take(c)]

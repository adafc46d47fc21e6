"""When, where and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from growsearch.growth import (
    Candidate,
    GrowthContext,
    Initializer,
    Progress,
    Scheduler,
    Selector,
    SiteEnds,
    random_directions,
)


class EveryThird(Scheduler):
    """After every third step."""

    summary: ClassVar[str] = "after every third step"
    source: ClassVar[str] = "nowhere"

    def due(self, progress: Progress) -> bool:
        return progress.step % 3 == 0


class Narrowest(Selector):
    """The site with the fewest units gets what there is."""

    summary: ClassVar[str] = "the site with the fewest units"
    source: ClassVar[str] = "nowhere"

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return {name: min(units, context.allowance.units) for name, units in context.allowance.requests.items()}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        ledger = context.ledger()
        width = {name: site.units for name, site in context.sites.items()}
        return [c for c in sorted(candidates, key=lambda c: width.get(c.site, 0)) if ledger.take(c)]


class Faint(Initializer):
    """Outgoing weights 0, incoming ones random and small."""

    summary: ClassVar[str] = "small random incoming weights"
    source: ClassVar[str] = "nowhere"
    preserves: ClassVar[str] = "the function, exactly"

    scale: float = 0.1

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        found: list[Candidate] = []
        for name, units in plan.items():
            ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
            rows = [
                random_directions(units, ends.length("incoming", i), context.generator) * self.scale
                for i in range(len(ends.producers))
            ]
            found += ends.candidates("outgoing", rows)
        return found

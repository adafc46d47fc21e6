"""All sites alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from growsearch.growth import ADDING, Candidate, GrowthContext, Kinds, Selector, StackedBlock


class Uniform(Selector):
    """Every site gains in proportion to its seed width."""

    summary: ClassVar[str] = "every site, in proportion to its seed width"
    source: ClassVar[str] = "control"
    takes: ClassVar[Kinds] = ADDING | {StackedBlock}

    def plan(self, context: GrowthContext) -> dict[str, int]:
        allowance = context.allowance
        return {name: min(allowance.requests[name], allowance.caps[name]) for name in context.names}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        requests, ledger = context.allowance.requests, context.ledger()
        credit: dict[str, float] = context.state_of(self).get("credit", {})
        # In step with each other, so that a budget that ends in between leaves the sites in proportion; what a site is
        # owed from earlier events counts, or those that come last would wait for ever where an event has few units.
        ranked = sorted(candidates, key=lambda c: (c.index + 1 - credit.get(c.site, 0.0)) / requests[c.site])
        chosen = [c for c in ranked if ledger.take(c)]
        given = Counter(c.site for c in chosen)
        sites = {c.site for c in candidates}
        share = len(chosen) / max(1, sum(requests[name] for name in sites))
        context.state_of(self)["credit"] = {
            name: credit.get(name, 0.0) + share * requests[name] - given[name] for name in sorted(sites)
        }
        return chosen

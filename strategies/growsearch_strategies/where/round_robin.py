"""One site after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from growsearch.growth import ADDING, Candidate, GrowthContext, Kinds, Selector, StackedBlock


class RoundRobin(Selector):
    """Each event grows one site, the next in the order of the network that has room."""

    summary: ClassVar[str] = "one site an event, in turn"
    source: ClassVar[str] = "Evci et al. 2022, GradMax, section 3"
    takes: ClassVar[Kinds] = ADDING | {StackedBlock}

    def plan(self, context: GrowthContext) -> dict[str, int]:
        """The next site with room; where a budget is spread over the events, further ones once that is full."""
        allowance, names = context.allowance, context.names
        start = int(context.state_of(self).get("turn", 0)) % len(names)
        left = allowance.units
        plan: dict[str, int] = {}
        for name in names[start:] + names[:start]:
            units = min(left if allowance.over_events else max(1, allowance.requests[name]), allowance.caps[name])
            if units > 0:
                plan[name] = units
                left -= units
            if plan and (left <= 0 or not allowance.over_events):
                break
        return plan

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        ledger = context.ledger()
        chosen = [c for c in candidates if ledger.take(c)]
        if candidates:
            context.state_of(self)["turn"] = context.names.index(candidates[-1].site) + 1
        return chosen

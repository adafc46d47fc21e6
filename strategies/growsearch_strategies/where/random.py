"""Units at sites drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from growsearch.growth import ADDING, Candidate, GrowthContext, Kinds, Selector, StackedBlock


class Random(Selector):
    """Each unit of the event goes to a site drawn with probability proportional to its share."""

    summary: ClassVar[str] = "every unit at a random site"
    source: ClassVar[str] = "control"
    takes: ClassVar[Kinds] = ADDING | {StackedBlock}

    def plan(self, context: GrowthContext) -> dict[str, int]:
        allowance = context.allowance
        left = {name: allowance.caps[name] for name in context.names}
        plan = dict.fromkeys(context.names, 0)
        for _ in range(min(allowance.units, sum(allowance.requests.values()))):
            weights = torch.tensor([float(allowance.requests[n] if left[n] > 0 else 0) for n in context.names])
            if float(weights.sum()) == 0:
                break
            name = context.names[int(torch.multinomial(weights, 1, generator=context.generator))]
            plan[name] += 1
            left[name] -= 1
        return {name: units for name, units in plan.items() if units}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        ledger = context.ledger()
        return [c for c in sorted(candidates, key=lambda c: c.index) if ledger.take(c)]

"""Grow when the gradient that new units would have is large."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from growsearch.growth import GrowthContext, Need, Progress, Scheduler

METRIC = "largest_singular_value"


class SingularValue(Scheduler):
    """Grow once the largest singular value of some site's gradient matrix is above a threshold.

    That value is the largest gradient that a new unit could have (see `how: gradmax`), so a network that has stopped
    gaining from its own weights but would gain from new ones passes it. It is measured every `every` steps, one
    singular value a site on one pass over the statistics batches; an event in that step reuses what was measured.
    With `relative` the threshold is a share of the largest value measured so far.
    """

    summary: ClassVar[str] = "once a site's largest singular value of the gradient matrix passes a threshold"
    why: ClassVar[str] = "no growth while the network still gains from its own weights"
    finds_size: ClassVar[str] = "with an absolute threshold"
    source: ClassVar[str] = "Maile et al. 2022, Structural Learning in ANNs; Evci et al. 2022, GradMax, section 6"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient_matrix"})

    threshold: float = Field(0.5, gt=0, description="smallest singular value at which the network grows")
    relative: bool = Field(True, description="threshold is a share of the largest value measured so far")
    every: int = Field(100, ge=1, description="steps from one measurement to the next")
    cooldown: int = Field(0, ge=0, description="steps after an event without measurements")
    count: int | None = Field(None, ge=1, description="most events; null: until the budget is used up")

    def watches(self, progress: Progress) -> bool:
        if self.count is not None and len(progress.events) >= self.count:
            return False
        if progress.total_steps is not None and progress.step >= progress.total_steps:
            return False
        since = progress.step - progress.events[-1] if progress.events else progress.step
        return progress.step % self.every == 0 and since > self.cooldown

    def look(self, context: GrowthContext) -> dict[str, float]:
        if context.depth_sites:
            values = list(context.strengths(dict.fromkeys(context.depth_sites, 1)).values())
        else:
            triplets = context.triplets(dict.fromkeys(context.sites, 1))
            values = [float(sum(t.values[0] ** 2 for t in channels)) ** 0.5 for channels in triplets.values()]
        return {METRIC: max(values)}

    def due(self, progress: Progress) -> bool:
        seen = progress.metrics.get(METRIC, [])
        if not seen or seen[-1][0] != progress.step:
            return False
        bar = self.threshold * (max(value for _, value in seen) if self.relative else 1.0)
        return seen[-1][1] >= bar

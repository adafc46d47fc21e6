"""Grow every so many steps."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from growsearch.growth import Progress, Scheduler


class Interval(Scheduler):
    """Grow after step `start` and every `every` steps from there, at most `count` times."""

    summary: ClassVar[str] = "every so many steps"
    source: ClassVar[str] = "Evci et al. 2022, GradMax, section 4.2"

    every: int = Field(ge=1, description="steps from one event to the next")
    start: int | None = Field(None, ge=1, description="step of the first event; null: `every`")
    count: int | None = Field(None, ge=1, description="number of events; null: until the budget or the training ends")

    def due(self, progress: Progress) -> bool:
        if progress.total_steps is not None and progress.step >= progress.total_steps:
            # What is added at the very last step could not train.
            return False
        first = self.start or self.every
        turn, rest = divmod(progress.step - first, self.every)
        return turn >= 0 and rest == 0 and (self.count is None or turn < self.count)

    def events_left(self, progress: Progress) -> int | None:
        first = self.start or self.every
        passed = max(0, -(-(progress.step - first) // self.every))
        limits = [] if self.count is None else [max(0, self.count - passed)]
        if progress.total_steps is not None:
            limits.append(max(0, (progress.total_steps - 1 - first) // self.every + 1 - passed))
        return min(limits) if limits else None

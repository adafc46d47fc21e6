"""Grow at geometrically stretching intervals."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from growsearch.growth import Progress, Scheduler


class Geometric(Scheduler):
    """Each stage is `1 + ratio` times as long as the one before: T_t = T_{t-1} + round(ratio T_{t-1}).

    The first event is after `first` steps (stage length T_0); event t follows T_t steps after event t - 1.
    """

    summary: ClassVar[str] = "at geometrically stretching intervals"
    source: ClassVar[str] = "Yuan et al. 2023, Accelerated Training via Incrementally Growing Neural Networks"

    first: int = Field(ge=1, description="steps of the first stage")
    ratio: float = Field(0.2, gt=0, description="by which share each stage is longer than the one before")
    count: int = Field(ge=1, description="number of events")

    @property
    def steps(self) -> list[int]:
        """The steps of all events."""
        length, step, steps = self.first, 0, []
        for _ in range(self.count):
            step += length
            steps.append(step)
            length += int(self.ratio * length + 0.5)
        return steps

    def due(self, progress: Progress) -> bool:
        return progress.step in self.steps and progress.step != progress.total_steps

    def events_left(self, progress: Progress) -> int | None:
        # Events that training does not reach, or that nothing would train after, take no part of the budget.
        end = float("inf") if progress.total_steps is None else progress.total_steps
        return sum(progress.step <= step < end for step in self.steps)

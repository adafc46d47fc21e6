"""Grow at given steps."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from growsearch.growth import Progress, Scheduler


class Schedule(Scheduler):
    """Grow after each of the listed steps."""

    summary: ClassVar[str] = "at listed steps"
    source: ClassVar[str] = "Evci et al. 2022, GradMax, appendix"

    steps: tuple[int, ...] = Field(min_length=1, description="optimizer steps after which the network grows, rising")

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)) or steps[0] < 1:
            raise ValueError("steps must be positive and rise")
        return steps

    def due(self, progress: Progress) -> bool:
        return progress.step in self.steps and progress.step != progress.total_steps

    def events_left(self, progress: Progress) -> int | None:
        # Events that training does not reach, or that nothing would train after, take no part of the budget.
        end = float("inf") if progress.total_steps is None else progress.total_steps
        return sum(progress.step <= step < end for step in self.steps)

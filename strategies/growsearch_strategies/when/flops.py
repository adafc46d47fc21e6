"""Grow at given shares of a run's FLOPs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from growsearch.errors import InputError
from growsearch.growth import Progress, Scheduler


class Flops(Scheduler):
    """Grow as soon as each of the listed shares of the run is done: of its FLOPs where these end it, else of its steps.

    A growing network's steps become dearer: half of the FLOPs is later than half of the steps.
    """

    summary: ClassVar[str] = "at shares of the run's training FLOPs"
    why: ClassVar[str] = "the same moments at every length and size of the training; transformers gain from a late one"
    source: ClassVar[str] = "Du et al. 2024, Stacking Your Transformers, section 4.2 (the growth timing d)"

    shares: tuple[float, ...] = Field(min_length=1, description="shares of the run, between 0 and 1, rising")

    @field_validator("shares")
    @classmethod
    def _rising(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] < 1:
            raise ValueError("shares must lie between 0 and 1, and rise")
        return shares

    def due(self, progress: Progress) -> bool:
        if progress.share is None:
            raise InputError("when flops: give Grower(total_steps=...): without the length of a run it has no shares")
        return any(map(progress.passes, self.shares))

    def events_left(self, progress: Progress) -> int | None:
        done = progress.share or 0.0
        return sum(share > done or progress.passes(share) for share in self.shares)

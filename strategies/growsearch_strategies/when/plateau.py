"""Grow when a metric stops improving."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from growsearch.growth import Progress, Scheduler


class Plateau(Scheduler):
    """Grow when the best value of the last `patience` reports improves on the best before them by less than `gain`.

    Reports before the last event do not count: the grown network gets its own `patience` reports. The metric must not
    come from the test set.
    """

    summary: ClassVar[str] = "when a validation metric stops improving"
    why: ClassVar[str] = "no growth while the network still gains from its own weights"
    finds_size: ClassVar[str] = "no: it goes on to the budget"
    source: ClassVar[str] = "convergent growth, e.g. Wen et al. 2020, AutoGrow"

    metric: str = Field("validation_accuracy", description="name of the reported metric")
    patience: int = Field(3, ge=1, description="reports without enough gain before the network grows")
    gain: float = Field(1e-3, ge=0, description="smallest gain that counts as progress, in the metric's unit")
    mode: Literal["max", "min"] = Field("max", description="whether larger or smaller is better")
    count: int | None = Field(None, ge=1, description="most events; null: until the budget is used up")

    def reads(self) -> str:
        return self.metric

    def due(self, progress: Progress) -> bool:
        # A report belongs to the step before the one in which it is first seen.
        since = progress.events[-1] if progress.events else -1
        reports = [(step, value) for step, value in progress.metrics.get(self.metric, []) if step >= since]
        if self.count is not None and len(progress.events) >= self.count:
            return False
        if len(reports) <= self.patience or reports[-1][0] != progress.step - 1:
            return False
        values = [value if self.mode == "max" else -value for _, value in reports]
        return max(values[-self.patience :]) - max(values[: -self.patience]) < self.gain

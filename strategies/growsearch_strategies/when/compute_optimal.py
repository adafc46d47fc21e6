"""Grow when a FLOP buys as much in the larger network as in this one."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from growsearch.growth import Progress, Scheduler


class ComputeOptimal(Scheduler):
    """Grow when the loss falls no faster with every FLOP than the larger network's would from the same loss.

    Losses follow L(N, D) = E + A N^-a + B D^-b in parameters N and data D (Hoffmann et al. 2022, equation 2), so with
    C = 6 N D the slope of this network's loss, s = -dL/dlog C, is b times what it still has to fall, e. A network of
    `factor` times the size ends lower by the gain G; at the same loss it has e + G to fall and has seen less data, and
    its loss falls per FLOP ((e + G) / e)^(1 + 1/b) / factor times as fast. That is 1 at

        s = b G / (factor^(b / (1 + b)) - 1),

    the threshold. It counts on a grown network that trains on like one that came to that loss by itself.

    s is the least-squares slope of the reported losses on the log of all FLOPs used, over the last reports since the
    last event: those whose FLOPs are within a factor `window`, at least `reports` of them.
    """

    summary: ClassVar[str] = "when the larger network's loss would fall as fast with every FLOP"
    why: ClassVar[str] = (
        "too early pays for size that data cannot fill yet, too late trains a size that has no more to give"
    )
    finds_size: ClassVar[str] = "no: it goes on to the budget"
    source: ClassVar[str] = (
        "growsearch; the law of Hoffmann et al. 2022, Training Compute-Optimal Large Language Models"
    )

    gain: float = Field(
        gt=0, description="by how much the network after the first event ends lower, in the metric's unit"
    )
    factor: float = Field(2.0, gt=1, description="what an event multiplies the parameters by")
    data_exponent: float = Field(0.28, gt=0, description="b of the law")
    size_exponent: float = Field(0.34, gt=0, description="a of the law: the gain falls by factor^-a with every event")
    metric: str = Field("validation_loss", description="name of the reported loss")
    window: float = Field(2.0, gt=1, description="the factor in FLOPs over which the slope is taken")
    reports: int = Field(5, ge=3, description="fewest reports for a slope; 100 rows give so many after 8 % of a run")
    count: int | None = Field(None, ge=1, description="most events; null: until the budget is used up")

    def reads(self) -> str:
        return self.metric

    def due(self, progress: Progress) -> bool:
        if self.count is not None and len(progress.events) >= self.count:
            return False
        slope = self._slope(progress)
        return slope is not None and slope <= self._threshold(len(progress.events))

    def _threshold(self, events: int) -> float:
        gain = self.gain * math.pow(self.factor, -self.size_exponent * events)
        exponent = self.data_exponent / (1 + self.data_exponent)
        return self.data_exponent * gain / (math.pow(self.factor, exponent) - 1)

    def _slope(self, progress: Progress) -> float | None:
        """None where there is no new report, or there are too few."""
        reports = progress.metrics.get(self.metric, [])
        if not reports or reports[-1][0] != progress.step - 1:
            return None
        since, flops = progress.events[-1] if progress.events else -1, dict(progress.reported)
        losses = [(step, loss) for step, loss in reports if step >= since]
        points = [(math.log(flops[step]), loss) for step, loss in losses if flops[step] > 0]
        points = [(x, loss) for x, loss in points if x >= points[-1][0] - math.log(self.window)]
        if len(points) < self.reports:
            return None
        mean = math.fsum(x for x, _ in points) / len(points)
        spread = math.fsum((x - mean) ** 2 for x, _ in points)
        return -math.fsum((x - mean) * loss for x, loss in points) / spread if spread else None

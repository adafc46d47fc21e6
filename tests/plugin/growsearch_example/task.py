"""A task."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from growsearch.tasks import Classification, Metric


class Confident(Classification):
    """Classes, ranked by the mean probability of the right one."""

    summary: ClassVar[str] = "classes, ranked by the probability of the right one"
    source: ClassVar[str] = "nowhere"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return Metric("confidence", "confidence", higher_is_better=True, percent=True), *super().metrics

    def totals(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        right = F.softmax(outputs, 1).gather(1, targets[:, None])
        return {**super().totals(outputs, targets), "confidence": torch.sum(right)}

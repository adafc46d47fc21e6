"""A data set."""

from __future__ import annotations

from typing import ClassVar

import torch

from growsearch.data import DataSet, DataSource
from growsearch.data.dataset import Split
from growsearch.tasks import Classification


class Rings(DataSource):
    """Points in the plane, in two classes by their distance from the origin."""

    summary: ClassVar[str] = "points in two rings"
    source: ClassVar[str] = "generated"

    samples: int = 240

    def load(self, seed: int) -> DataSet:
        generator = torch.Generator().manual_seed(0)
        points = torch.randn(self.samples, 2, generator=generator)
        classes = (points.norm(dim=1) > 1.2).long()
        half, rest = self.samples // 2, self.samples // 4
        train, held, test = (
            Split(points[one], classes[one])
            for one in (slice(half), slice(half, half + rest), slice(half + rest, None))
        )
        return DataSet("rings", train, held, test, 2, Classification(), (), (), (2,))

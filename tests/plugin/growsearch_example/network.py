"""A seed network."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from torch import nn

from growsearch.networks.base import Network


class TwoLayers(Network):
    """One hidden layer of 8 units, times `width`."""

    summary: ClassVar[str] = "one hidden layer"
    source: ClassVar[str] = "nowhere"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        hidden = self.scaled(8)
        layers = (nn.Flatten(), nn.Linear(prod(input_shape), hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        return nn.Sequential(*layers)

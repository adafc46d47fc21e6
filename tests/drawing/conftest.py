from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, trace


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.side, self.out = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        one, two = torch.chunk(torch.matrix_exp(x + self.side(x)), 2, dim=-1)
        return self.out(one + two)


@pytest.fixture(scope="session")
def graph() -> NetworkGraph:
    return trace(Net(), torch.ones(2, 3, 8, 8))

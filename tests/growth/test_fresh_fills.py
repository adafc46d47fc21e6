"""How units of a learned size start: as those of a new layer would."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth.soft.fresh import fresh_fills

UNITS = 400


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(9, 6), nn.BatchNorm1d(6), nn.Linear(6, 5)
        self.most = nn.Parameter(torch.arange(6.0))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.minimum(torch.relu(self.norm(self.first(x))), self.most))
        return out


def test_layers_start_uniform_within_their_fan_in_and_the_rest_at_the_mean() -> None:
    model = Net()
    site = growsearch.trace(model, torch.randn(4, 9)).sites["first"]
    fills = fresh_fills(model, site, UNITS, torch.Generator().manual_seed(0))
    assert {name for name, _ in fills} == {"first.weight", "first.bias", "last.weight", "most"}
    incoming, outgoing = fills["first.weight", 0], fills["last.weight", 1]
    assert (incoming.shape, outgoing.shape) == ((UNITS, 9), (5, UNITS))
    assert incoming.abs().max() == pytest.approx(1 / 3, rel=0.01)  # 1 / sqrt(9)
    assert outgoing.abs().max() == pytest.approx((6 + UNITS) ** -0.5, rel=0.01)
    assert incoming.std() == pytest.approx(1 / 3 / 3**0.5, rel=0.05)
    assert torch.equal(fills["most", 0], torch.full((UNITS,), 2.5))


class Weighted(nn.Module):
    """A weight that is no layer's is multiplied with."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.weight = nn.Linear(9, 6), nn.Parameter(torch.arange(12.0).view(2, 6))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.relu(self.first(x)), self.weight)


def test_a_weight_of_no_layer_has_the_deviation_of_what_is_there() -> None:
    model = Weighted()
    site = growsearch.trace(model, torch.randn(4, 9)).sites["first"]
    fill = fresh_fills(model, site, UNITS, torch.Generator().manual_seed(0))["weight", 1]
    assert fill.abs().max() == pytest.approx((11.9166667 * 3) ** 0.5, rel=0.01)  # (12 ** 2 - 1) / 12 is the variance

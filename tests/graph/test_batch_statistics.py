"""What a batch normalisation makes of a channel that is 0, as a module and as a function."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph import trace
from growsearch.graph.batch_statistics import SMALLEST, epsilon, slope_at_zero


class ByFunction(nn.Module):
    def __init__(self, eps: float | None) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))
        self.given = {} if eps is None else {"eps": eps}

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.batch_norm(x, self.mean, self.variance, training=self.training, **self.given))
        return out


def by_module(eps: float | None) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(4) if eps is None else nn.BatchNorm1d(4, eps), nn.Linear(4, 2))


@pytest.mark.parametrize("make", [ByFunction, by_module])
@pytest.mark.parametrize(("eps", "expected"), [(None, 1e-5), (0.3, 0.3), (0.0, SMALLEST)])
def test_the_slope_follows_from_eps_and_from_whose_statistics_are_used(
    make: type[ByFunction], eps: float | None, expected: float
) -> None:
    model = make(eps)
    calls = trace(model, torch.randn(8, 4)).calls.values()
    (norm,) = (call for call in calls if call.rule == "batch_norm")

    assert epsilon(model, norm) == pytest.approx(expected)
    assert slope_at_zero(model.train(), norm) == pytest.approx(expected**-0.5)
    assert slope_at_zero(model.eval(), norm) == pytest.approx((1 + expected) ** -0.5)

"""Tensors stacked along a new axis: what stands in the same place of each grows together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch.graph import trace


class Stacked(nn.Module):
    """The mean of as many layers as asked for, read by one."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 6) for _ in range(count))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.stack([layer(x) for layer in self.layers]).mean(0).relu())
        return out


@pytest.mark.parametrize("count", [2, 3])
def test_all_that_is_stacked_grows_together(count: int) -> None:
    torch.manual_seed(0)
    model, x = Stacked(count), torch.randn(5, 4)
    before = model(x)

    [site] = trace(model, x).sites.values()
    growsearch.grow(model, x, {site.name: 2}, "zero")

    assert {f"layers.{index}.weight" for index in range(count)} <= {use.tensor for use in site.axes}
    assert [layer.out_features for layer in model.layers] == [8] * count  # type: ignore[misc]
    assert torch.allclose(model(x), before, atol=1e-6)

"""How new weights begin: as the layer that they join began."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import AxisUse, trace
from growsearch.growth.starts import Start, start_of


class Raw(nn.Module):
    """Two weights that are no layer's, the second of them 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(7, 4) * 0.3)
        self.second = nn.Parameter(torch.zeros(3, 7))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.first.T) @ self.second.T


def uses_of(model: nn.Module, example: Tensor) -> dict[str, AxisUse]:
    [site] = trace(model, example).sites.values()
    return {use.tensor: use for use in site.axes if not use.tensor.endswith("bias")}


def test_layers_begin_as_torch_makes_them() -> None:
    model = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3))

    uses = uses_of(model, torch.randn(2, 4))

    assert start_of(model, uses["0.weight"]) == Start(4**-0.5, gaussian=False)
    assert start_of(model, uses["2.weight"]) == Start(7**-0.5, gaussian=False)


def test_other_weights_begin_as_they_are_and_where_they_are_zero_by_fan_in() -> None:
    torch.manual_seed(0)
    model = Raw()

    uses = uses_of(model, torch.randn(2, 4))

    first, second = start_of(model, uses["first"]), start_of(model, uses["second"])
    assert first.gaussian and first.size == pytest.approx(float(model.first.detach().square().mean().sqrt()))
    assert second == Start(7**-0.5, gaussian=False)


def test_a_start_has_the_size_that_it_says() -> None:
    drawn = Start(0.5, gaussian=False).draw(400, 50, torch.Generator().manual_seed(0))
    assert float(drawn.abs().max()) <= 0.5 and float(drawn.std()) == pytest.approx(0.5 / 3**0.5, rel=0.02)
    assert Start(0.5, gaussian=False).std == pytest.approx(0.5 / 3**0.5)

    drawn = Start(0.5, gaussian=True).draw(400, 50, torch.Generator().manual_seed(0))
    assert float(drawn.std()) == pytest.approx(0.5, rel=0.02) and float(drawn.abs().max()) > 1.0

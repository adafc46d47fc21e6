"""Sizes that are written as numbers in a model's code are found before anyone trains."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import growsearch
from growsearch.errors import GrowthWarning
from growsearch.graph.running import SMALL
from growsearch.growth import Grower


class Literal(nn.Module):
    """The first layer's width is a number in `forward`; those behind it are free."""

    def __init__(self, inputs: int = 3) -> None:
        super().__init__()
        self.a, self.b, self.c, self.dim = nn.Conv2d(inputs, 6, 1), nn.Linear(6, 5), nn.Linear(5, 3), 6

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x).relu().reshape(len(x), self.dim, -1).mean(-1)).relu())


class Asserting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.a(x).relu()
        assert hidden.shape[-1] == 6, "another width"
        return self.b(hidden)


class OwnLayer(nn.Module):
    """A layer that keeps its width as a number of its own."""

    def __init__(self, inputs: int, nf: int) -> None:
        super().__init__()
        self.nf, self.weight, self.bias = nf, nn.Parameter(torch.randn(inputs, nf)), nn.Parameter(torch.zeros(nf))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.shape[:-1], self.nf)


@pytest.mark.parametrize("inputs", [3, SMALL])
def test_only_the_site_with_the_number_is_frozen(inputs: int) -> None:
    """Small networks compute, large ones run on the meta device."""
    sites = growsearch.trace(Literal(inputs), torch.zeros(2, inputs, 2, 2)).sites

    assert (sites["a"].kind, sites["b"].kind) == ("frozen", "exact")
    assert "written as a number" in sites["a"].reason and "shape '[2, 6, -1]'" in sites["a"].reason


def test_a_policy_grows_the_other_sites_and_the_number_stays_known_after_an_event() -> None:
    torch.manual_seed(0)
    model, x = Literal(), torch.randn(4, 3, 4, 4)
    grower = Grower(model, None, x, when={"interval": {"every": 1, "count": 2}}, budget={"width": 2.0})

    events = [grower.step() for _ in range(2)]

    assert [event.refused for event in events if event] == [None, None]
    assert (model.a.out_channels, model.b.out_features) == (6, 10)
    assert grower.graph.sites["a"].kind == "frozen"


def test_where_nothing_else_can_grow_training_goes_on_and_events_say_why() -> None:
    model, x = Asserting(), torch.randn(5, 4)
    with pytest.warns(GrowthWarning, match="AssertionError: another width"):
        grower = Grower(model, None, x, when={"interval": {"every": 1, "count": 1}}, budget={"width": 2.0})

    event = grower.step()

    assert event is not None and event.refused is not None and "another width" in event.refused
    assert model.a.out_features == 6


def test_a_number_that_a_layer_keeps_beside_its_own_weights_follows() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(OwnLayer(4, 6), nn.ReLU(), OwnLayer(6, 3)), torch.randn(2, 7, 4)
    before = model(x).detach()

    growsearch.grow(model, x, {"0": 2})

    assert model[0].nf == 8
    assert F.mse_loss(model(x).detach(), before) < 1e-10

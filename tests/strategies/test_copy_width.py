"""Width by copies: exact on hidden layers, heads and streams, and no two copies stay alike."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import growsearch
from growsearch import GrowthRefused
from growsearch.graph import trace
from growsearch.networks.gpt import GPT
from growsearch.surgery import outputs_of, relative_difference
from tests.graph.conftest import randomise
from tests.streams import OffsetRms, OwnRms, Stream, built, tokens

FORMS: list[dict[str, Any]] = [
    {},
    {"tied": True},
    {"scaled": True},
    {"raw": True},
    {"norm": nn.RMSNorm, "tied": True},
    {"norm": OffsetRms, "tied": True},
    {"norm": OwnRms, "post": True},
    {"product": True},
    {"product": True, "tied": True},
]
SHARES: list[Any] = ["copy_width", {"copy_width": {"shares": "symmetric", "noise": 0.2}}]


def change(model: nn.Module, units: dict[str, int], how: Any, inputs: Tensor | None = None) -> float:
    """Relative change of the outputs, in the worse mode."""
    x = tokens() if inputs is None else inputs
    before = [outputs_of(model, x, training) for training in (False, True)]
    growsearch.grow(model, x, units, how, report=None)
    return max(relative_difference(old, outputs_of(model, x, bool(mode))) for mode, old in enumerate(before))


@pytest.mark.parametrize("how", SHARES, ids=["unequal", "symmetric"])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_a_doubled_network_computes_the_same(options: dict[str, Any], how: Any) -> None:
    model = built(**options)
    eps = getattr(model.norms[0], "eps", None)
    assert change(model, {"tokens": 8, "up.0": 12, "up.1": 12}, how) < 1e-12
    assert (model.down[0].weight.shape, getattr(model.norms[0], "eps", None)) == ((16, 24), eps)


@pytest.mark.parametrize("units", [3, 11, 16, 21])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_any_other_width_is_exact_too(options: dict[str, Any], units: int) -> None:
    """Whole copies as far as they go, and average expansion for the rest."""
    model = built(**options)
    assert change(model, {"tokens": units, "up.0": units}, "copy_width") < 1e-12
    assert change(model, {"tokens": 5}, "zero") < 1e-12
    assert trace(model, tokens()).sites["tokens"].width == 13 + units


@pytest.mark.parametrize("how", SHARES, ids=["unequal", "symmetric"])
def test_a_unit_and_its_copy_get_different_gradients(how: Any) -> None:
    model = built()
    change(model, {"tokens": 8, "up.0": 12}, how)
    torch.autograd.backward(model(tokens()).square().mean())
    for weight in (model.up[0].weight, model.down[0].weight):
        first, second = weight.grad.chunk(2)
        assert bool(((first - second).abs().amax(1) > 1e-6 * first.abs().amax()).all())


def test_unequal_shares_are_those_of_the_file() -> None:
    model = built()
    old = model.down[0].weight.detach().clone()
    change(model, {"up.0": 24}, {"copy_width": {"share": 0.2}})
    parts = model.down[0].weight.detach().chunk(3, 1)
    total = 1 + 0.25 + 0.25**2
    for part, share in zip(parts, (1, 0.25, 0.25**2), strict=True):
        assert torch.allclose(part, old * share / total)


def test_heads_are_copied_whole() -> None:
    network = GPT(depth=1, embedding=8, heads=2, mlp_ratio=2.0).build((4,), 11)
    randomise(network)
    difference = change(network.double(), {"blocks.0.attention.query": 8, "tokens": 8}, "copy_width")
    assert difference < 1e-12
    assert network.get_submodule("blocks.0.attention.query").weight.shape == (16, 16)


def test_a_tied_layer_elsewhere_and_symmetric_copies_of_copies_are_refused() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.embed(x).tanh())

    with pytest.raises(GrowthRefused, match="'embed.weight' both makes its units and reads them"):
        change(Tied(), {"embed": 6}, "copy_width")
    with pytest.raises(GrowthRefused, match="one copy in an event, but 24 copies of 12"):
        change(built(), {"up.0": 24}, {"copy_width": {"shares": "symmetric"}})
    with pytest.raises(GrowthRefused, match="would change what normalisations over them see"):
        change(Stream(post=True), {"tokens": 8}, "copy_width")


class _Reversed(nn.Module):
    """An autoencoder whose second layer is the first one's weight the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.first(x).sigmoid(), self.first.weight.T)


class _TwoNames(nn.Module):
    """One layer under two names: nothing about it is tied."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)
        self.layers = nn.ModuleList([self.first, self.last])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](x).sigmoid())


@pytest.mark.parametrize("how", ["copy_width", "split", "variance_transfer"])
def test_a_weight_is_tied_by_what_it_is_used_for_and_not_by_its_names(how: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, dtype=torch.float64)
    with pytest.raises(GrowthRefused, match="all weights that make its units|'first.weight' both makes its units"):
        change(_Reversed().double(), {"first": 6}, how, x)
    assert change(_TwoNames().double(), {"first": 6}, how, x) < 1e-12


def test_copies_of_some_channels_are_refused() -> None:
    """What a selector leaves of them under a tight budget, say."""
    from growsearch.growth import GrowthContext, edits_of
    from growsearch.growth.allowance import Allowance
    from growsearch.growth.policy import strategy
    from growsearch.growth.strategy import Initializer

    model = built()
    graph = trace(model, tokens())
    site = {"tokens": graph.sites["tokens"]}
    context = GrowthContext(model, graph, site, {}, Allowance({}, {}, 8), torch.Generator(), {})
    how = strategy(Initializer, "how", "copy_width")  # type: ignore[type-abstract]
    proposed = how.propose({"tokens": 8}, context)

    with pytest.raises(GrowthRefused, match="found 5 copies of 8 channels"):
        edits_of(site["tokens"], proposed[:5])  # type: ignore[arg-type]

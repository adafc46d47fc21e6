"""What new units hold at the two ends of a site, whatever layers lie there."""

from __future__ import annotations

import copy
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused, InputError
from growsearch.growth import SiteEnds
from tests.laws.models import LAYERS, randomise


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 12), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.glu(self.first(x)))


class Lookup(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(500, 6, padding_idx=0), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.embedding(x))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 6), nn.Linear(6, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x).relu())


def ends_of(model: nn.Module, x: Tensor, site: str) -> SiteEnds:
    graph = growsearch.trace(model, x)
    return SiteEnds(model, graph, graph.sites[site])


@pytest.mark.parametrize("how", ["zero", "random"])
def test_units_behind_a_gate_get_weights_for_both_halves(how: str) -> None:
    torch.manual_seed(0)
    model, x = Gated(), torch.randn(5, 4)
    growsearch.grow(model, x, {"first": 4}, how)
    new = model.first.weight[[6, 7, 14, 15]]
    assert model.first.weight.shape == (16, 4) and model.last.weight.shape == (3, 8)
    assert new.detach().count_nonzero() == 16
    assert not model.last.weight[:, 6:].any()


def test_embeddings_get_entries_as_torch_makes_them_and_padding_stays_zero() -> None:
    torch.manual_seed(0)
    model, x = Lookup(), torch.arange(8)[None]
    growsearch.grow(model, x, {"embedding": 4}, "zero")
    new = model.embedding.weight.detach()[:, 6:]
    assert not new[0].any()
    # The standard error of the deviation of 1,996 numbers is 0.016.
    assert abs(float(new[1:].std()) - 1.0) < 0.08
    growsearch.grow(model, x, {"embedding": 4}, "random")
    assert not model.embedding.weight[0].any()


def test_layers_that_are_not_torchs_get_the_spread_of_their_own_weights() -> None:
    torch.manual_seed(0)
    subject = next(each for each in LAYERS if each.name == "own_forward")
    model = subject.build()
    with torch.no_grad():
        model.get_parameter("transposed.weight").normal_(0, 5.0)
    x = torch.randn(subject.shape)
    growsearch.grow(model, x, {"transposed": 40, "linear": 200}, "zero")
    # Random draws of 40 * 5 numbers: a standard error of 5 %.
    assert float(model.get_parameter("transposed.weight").detach()[:5, 7:].std()) == pytest.approx(5.0, rel=0.2)
    # A subclass that keeps reset_parameters begins as its base class: U(-b, b) with b = 1 / sqrt(6).
    new = model.get_parameter("linear.weight").detach()[5:]
    assert float(new.abs().max()) == pytest.approx(6**-0.5, rel=0.02)


@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
def test_vectors_of_existing_units_and_fills_of_new_ones_have_one_layout(subject) -> None:  # type: ignore[no-untyped-def]
    """Written as fills, the weights of an existing unit are the weights at its positions."""
    torch.manual_seed(0)
    model = subject.build()
    randomise(model)
    graph = growsearch.trace(model, torch.randn(subject.shape))
    for site in graph.sites.values():
        ends = SiteEnds(model, graph, site)
        for side, unit_channels in (("incoming", ends.producers), ("outgoing", ends.consumers)):
            rows = [torch.cat([e.rows(ends.weight(e), site.units) for e in channel], 1) for channel in unit_channels]
            fills = ends.fills(side, rows)  # type: ignore[arg-type]
            for e in (e for channel in unit_channels for e in channel):
                places = [run.offset + run.repeat + i for run in e.use.runs for i in range(run.repeat)]
                expected = ends.weight(e).index_select(e.use.axis, torch.tensor(places)).clone()
                if isinstance(model.get_submodule(e.module), nn.Embedding):
                    expected[0] = 0.0
                assert torch.equal(fills[e.use.tensor, e.use.axis][1], expected), (site.name, side)


def test_a_unit_whose_only_weights_are_tied_is_refused_with_the_reason() -> None:
    model, x = Tied(), torch.arange(5)[None]
    with pytest.raises(GrowthRefused, match="tied"):
        growsearch.grow(model, x, {"embedding": 2}, "zero")


def test_gradmax_opt_keeps_padding_at_zero() -> None:
    torch.manual_seed(0)
    model, x = Lookup(), torch.arange(8)[None]
    before = copy.deepcopy(model)(x)
    how = {"gradmax_opt": {"steps": 3, "side": "outgoing"}}
    growsearch.grow(model, x, {"embedding": 2}, how, objective=lambda m, b: m(b).square().mean(), batches=[x])
    assert not model.embedding.weight[0].any()
    assert model.embedding.weight[1:8, 6:].detach().count_nonzero() == 14
    assert torch.allclose(model(x), before, atol=1e-6)


@pytest.mark.parametrize(("zero", "needed"), [("outgoing", 4), ("incoming", 3)])
def test_vectors_of_the_other_side_are_refused(zero: Literal["incoming", "outgoing"], needed: int) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    ends = ends_of(model, torch.randn(2, 4), "0")
    assert len(ends.candidates(zero, [torch.ones(2, needed)])) == 2
    with pytest.raises(InputError, match=f"site '0': vectors of {7 - needed} entries, and the .* side has {needed}"):
        ends.candidates(zero, [torch.ones(2, 7 - needed)])

"""Variance transfer: pairs that cancel, and old weights scaled to the new width."""

from __future__ import annotations

import copy
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch import Grower, GrowthRefused, grow, trace
from growsearch.growth import NewUnit, Rescaling, planned_edits
from growsearch.surgery import apply_edits, outputs_of, relative_difference
from growsearch.training.saving import load, save
from growsearch_strategies.variance_transfer.rescaling import rescaling

HOW = "variance_transfer"


def normalised(norm: nn.Module | None = None, channels: int = 4) -> nn.Sequential:
    """Convolutions with a normalisation behind the second: sites `one`, whose reader it undoes, and `two`."""
    torch.manual_seed(0)
    model = nn.Sequential(
        OrderedDict(
            one=nn.Conv2d(2, channels, 3, padding=1),
            act1=nn.GELU(),
            two=nn.Conv2d(channels, 6, 3, padding=1),
            norm=norm or nn.BatchNorm2d(6, eps=1e-2),
            act2=nn.ReLU(),
            flatten=nn.Flatten(),
            head=nn.Linear(6 * 16, 3),
        )
    ).double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.01, 2.0)
            elif value.is_floating_point():
                value.add_(0.1 * torch.randn_like(value))
    return model


def images(count: int = 16) -> Tensor:
    return torch.randn(count, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(6, eps=1e-2), nn.GroupNorm(3, 6, eps=1e-2), nn.InstanceNorm2d(6)], ids=str
)
def test_behind_a_normalisation_old_weights_shrink_and_the_function_stays(norm: nn.Module) -> None:
    """To rounding, in both modes, with an eps that is not small beside the variance, both sites at once, twice."""
    model, inputs = normalised(copy.deepcopy(norm)), images()
    before = [outputs_of(model, inputs, training) for training in (False, True)]
    old = model.two.weight.detach().clone()
    sites = {"one": 4} if isinstance(norm, nn.GroupNorm) else {"one": 4, "two": 2}

    grow(model, inputs, sites, HOW)
    torch.testing.assert_close(model.two.weight[:6, :4], old * 0.5**0.5, rtol=1e-12, atol=0)
    grow(model, inputs, sites, HOW)

    torch.testing.assert_close(model.two.weight[:6, :4], old * (1 / 3) ** 0.5, rtol=1e-12, atol=0)
    for training, expected in zip((False, True), before, strict=True):
        assert relative_difference(expected, outputs_of(model, inputs, training)) < 1e-12


def test_the_eps_has_its_part_in_that() -> None:
    """Negative control: with the eps of before, the same growth changes the function."""
    model, inputs = normalised(), images()
    before = outputs_of(model, inputs, training=True)
    grow(model, inputs, {"one": 4}, HOW)
    assert model.norm.eps == pytest.approx(0.005)

    model.norm.eps = 0.01

    assert relative_difference(before, outputs_of(model, inputs, training=True)) > 1e-3


def test_units_of_a_pair_are_alike_on_the_way_in_and_opposite_on_the_way_out() -> None:
    model = normalised()
    grow(model, images(), {"one": 5}, HOW)

    incoming, outgoing = model.one.weight.detach()[4:], model.two.weight.detach()[:, 4:]

    assert torch.equal(incoming[0], incoming[1]) and torch.equal(incoming[2], incoming[3])
    assert not torch.equal(incoming[1], incoming[2])
    assert torch.equal(outgoing[:, 0], -outgoing[:, 1]) and torch.equal(outgoing[:, 2], -outgoing[:, 3])
    # The fifth has no partner.
    assert float(outgoing[:, 4].abs().max()) == 0.0 < float(incoming[4].abs().min())


def test_old_and_new_weights_have_the_variance_of_the_new_width() -> None:
    """A layer that began with variance 1 / C has 1 / C' everywhere, and new incoming weights 1 / fan-in."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(50, 100), nn.ReLU(), nn.Linear(100, 200), nn.BatchNorm1d(200))
    nn.init.normal_(model[2].weight, std=0.1)

    grow(model, torch.randn(8, 50), {"0": 100}, {HOW: {"gain": 2.0}})
    again = nn.Sequential(nn.Linear(50, 100), nn.ReLU(), nn.Linear(100, 200), nn.BatchNorm1d(200))
    nn.init.normal_(again[2].weight, std=0.1)
    grow(again, torch.randn(8, 50), {"0": 100}, HOW)

    assert float(again[2].weight.detach()[:, :100].var()) == pytest.approx(1 / 200, rel=0.05)
    assert float(again[2].weight.detach()[:, 100:].var()) == pytest.approx(1 / 200, rel=0.05)
    assert float(again[0].weight.detach()[100:].var()) == pytest.approx(1 / 50, rel=0.1)
    assert float(model[2].weight.detach()[:, 100:].var()) == pytest.approx(2 / 200, rel=0.05)


def test_the_fan_in_of_convolutions_and_flattened_maps_counts_positions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 16, 64))

    grow(model, torch.randn(4, 8, 4, 4), {"0": 16}, HOW)

    assert float(model[0].weight.detach()[16:].var()) == pytest.approx(1 / 72, rel=0.15)
    assert float(model[3].weight.detach()[:, 256:].var()) == pytest.approx(1 / 512, rel=0.05)


def test_without_a_normalisation_old_weights_stay() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    old = model[2].weight.detach().clone()
    grow(model, torch.randn(4, 5), {"0": 4}, HOW)
    assert torch.equal(model[2].weight[:, :4], old)


def test_rescaling_all_layers_scales_what_an_unnormalised_network_gives() -> None:
    """The hidden layer by sqrt(C / C'), the output layer by C / C', as in the paper's table; biases with them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False))
    model = model.double()
    inputs = torch.randn(7, 5, dtype=torch.float64)
    before = model(inputs).detach()

    event = grow(model, inputs, {"0": 4, "2": 2}, {HOW: {"rescale": "all"}})

    torch.testing.assert_close(model(inputs), before * (4 / 8) ** 0.5 * (6 / 8), rtol=1e-12, atol=0)
    assert event.output_change is not None and event.output_change > 0.1


def test_one_of_a_pair_alone_keeps_the_function_too() -> None:
    """A selector may take one of the two; it starts with outgoing weights of 0."""
    model, inputs = normalised(), images()
    graph = trace(model, inputs)
    fills = {("one.weight", 0): torch.ones(1, 2, 3, 3).double(), ("two.weight", 1): torch.ones(6, 1, 3, 3).double()}
    other = {**fills, ("two.weight", 1): -fills["two.weight", 1]}
    pair = [
        NewUnit("one", 0, 0, 0, fills=fills, twin=1),
        NewUnit("one", 1, 0, 0, fills=other, twin=0),
    ]
    before = outputs_of(model, inputs, training=False)

    for chosen, outgoing in ((pair[1:], 0.0), (pair, 1.0)):
        grown = copy.deepcopy(model)
        apply_edits(grown, planned_edits(graph, chosen))
        assert float(grown.two.weight.detach()[:, 4:].abs().mean()) == outgoing
        assert relative_difference(before, outputs_of(grown, inputs, training=False)) < 1e-12


@pytest.mark.parametrize("case", ["shared", "concatenated", "added"])
def test_what_a_normalisation_would_not_undo_is_not_rescaled(case: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.more = nn.Linear(3, 4), nn.Linear(3, 4)
            self.two = nn.Linear(8 if case == "concatenated" else 4, 5)
            self.norm, self.head = nn.BatchNorm1d(5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.one(x).relu()
            if case == "concatenated":
                hidden = torch.cat([hidden, self.more(x).relu()], 1)
            found = self.two(hidden)
            if case == "shared":
                found = found + self.two(self.more(x).relu())
            out: Tensor = self.head(self.norm(found + self.more(x)[:, :1] if case == "added" else found))
            return out

    model = Network()
    graph = trace(model, torch.randn(6, 3))
    assert rescaling(model, graph, graph.sites["one"], every=False) == (Rescaling({}), True)


def test_a_rescaled_network_is_saved_and_loaded(tmp_path: Path) -> None:
    """The eps is no tensor: it is part of the architecture."""
    batch = (images().float(), torch.randn(16, 3))

    def made() -> tuple[nn.Module, torch.optim.Optimizer, Grower]:
        model = normalised().float()
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
        policy: dict[str, Any] = {"when": {"schedule": {"steps": [1, 2]}}, "how": HOW, "amount": 0.5}
        return model, optimizer, Grower(model, optimizer, batch[0], **policy)

    model, optimizer, grower = made()
    for _ in range(2):
        nn.functional.mse_loss(model(batch[0]), batch[1]).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert grower.step() is not None
    save(tmp_path / "run.pt", model=model, optimizer=optimizer, grower=grower)
    again, other, regrower = made()

    load(tmp_path / "run.pt", model=again, optimizer=other, grower=regrower)

    assert again.norm.eps == model.norm.eps == pytest.approx(0.01 * 4 / 8)
    assert torch.equal(outputs_of(again, batch[0], training=True), outputs_of(model, batch[0], training=True))


def test_tied_weights_are_refused() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.more = nn.Embedding(7, 4), nn.Linear(4, 4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.embed(x)
            out: Tensor = self.head(hidden + self.more(hidden).relu())
            return out

    model, tokens = Tied(), torch.randint(7, (5, 3))
    [site] = [name for name, site in trace(model, tokens).sites.items() if site.units == 4 and site.kind != "frozen"]
    with pytest.raises(GrowthRefused, match="both makes its units and reads them"):
        grow(model, tokens, {site: 2}, HOW)

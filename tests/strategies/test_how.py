"""Initializers: what each one promises about the units and layers that it makes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused, InputError
from growsearch.surgery import Insertion, outputs_of, relative_difference
from tests.growth.tasks import batch_for, cnn, mlp, objective
from tests.laws.settings import cheap, grows_depth, hows, strategy_class

WIDENING = [how for how in hows() if not grows_depth(how)]
SIDED = [how for how in WIDENING if "side" in strategy_class("how", how).model_fields]


def grow(model: nn.Module, units: dict[str, int], how: Any, seed: int = 0) -> growsearch.GrowthEvent:
    batch = batch_for(model)
    return growsearch.grow(model, batch[0], units, how, objective=objective, batches=[batch], seed=seed)


def norms(rows: Tensor) -> Tensor:
    return rows.detach().flatten(1).norm(dim=1)


def sides(model: nn.Module, old: int = 4) -> tuple[Tensor, Tensor]:
    """Incoming and outgoing weights of the new units of `first` (or `conv1`), one row each."""
    names = ("first", "second") if hasattr(model, "first") else ("conv1", "conv2")
    before, after = (model.get_submodule(name) for name in names)
    return before.weight.detach()[old:].flatten(1), after.weight.detach()[:, old:].transpose(0, 1).flatten(1)


@pytest.mark.parametrize("how", SIDED)
@pytest.mark.parametrize("side", ["incoming", "outgoing"])
def test_the_named_side_starts_at_zero_and_the_other_does_not(how: str, side: str) -> None:
    model = mlp()
    grow(model, {"first": 2}, cheap("how", how, side=side))
    incoming, outgoing = sides(model)
    zero, other = (incoming, outgoing) if side == "incoming" else (outgoing, incoming)
    assert torch.count_nonzero(zero) == 0
    assert float(norms(other).min()) > 1e-3


@pytest.mark.parametrize("how", SIDED)
def test_behind_batch_normalisation_and_relu_auto_means_outgoing(how: str) -> None:
    for model, site in ((cnn(), "conv1"), (mlp(), "first")):
        grow(model, {site: 2}, cheap("how", how, side="auto"))
        incoming, outgoing = sides(model)
        assert torch.count_nonzero(outgoing) == 0 and float(norms(incoming).min()) > 1e-3
    model = mlp(act=nn.Tanh)
    grow(model, {"first": 2}, cheap("how", how, side="auto"))
    assert torch.count_nonzero(sides(model)[0]) == 0


def test_zero_keeps_the_outgoing_side_at_zero_by_default_and_draws_like_the_layer() -> None:
    model = mlp()
    grow(model, {"first": 50}, "zero")
    incoming, outgoing = sides(model)
    assert torch.count_nonzero(outgoing) == 0
    bound = 4**-0.5
    assert float(incoming.abs().max()) <= bound and float(incoming.abs().max()) > 0.9 * bound
    assert abs(float(incoming.mean())) < 0.1


@pytest.mark.parametrize("how", ["sigmoid", "softplus"])
@pytest.mark.parametrize("name", SIDED)
def test_an_activation_that_is_not_zero_at_zero_refuses_zero_incoming_weights(name: str, how: str) -> None:
    """The message names the activation and a way that works; that way works."""
    act = {"sigmoid": nn.Sigmoid, "softplus": nn.Softplus}[how]
    model = mlp(act=act)
    with pytest.raises(GrowthRefused, match=r"'act1'.*at 0.*use side: outgoing .*or how: split"):
        grow(model, {"first": 2}, cheap("how", name, side="incoming"))
    assert model.first.out_features == 4
    if name != "gradmax":  # whose matrix is that of units with zero incoming weights
        x = batch_for(model)[0]
        before = outputs_of(model, x, training=False)
        for way in (cheap("how", name, side="outgoing"), cheap("how", name, side="auto"), "split"):
            grow(model, {"first": 1}, way)
            assert relative_difference(before, outputs_of(model, x, training=False)) < 1e-5


@pytest.mark.parametrize(("how", "scale"), [("random", 0.5), ("random", 2.0), ("gradmax", 0.5), ("gradmax_opt", 1.5)])
def test_norms_are_relative_to_the_mean_of_the_existing_units(how: str, scale: float) -> None:
    for side in ("incoming", "outgoing"):
        model = mlp()
        existing = model.second.weight.detach().T if side == "incoming" else model.first.weight.detach()
        expected = scale * float(norms(existing).mean())
        grow(model, {"first": 2}, cheap("how", how, side=side, scale=scale))
        found = sides(model)[1 if side == "incoming" else 0]
        assert torch.allclose(norms(found), torch.full((2,), expected), rtol=1e-4)


@pytest.mark.parametrize("how", ["random", "gradmax", "gradmax_opt"])
def test_a_fixed_norm_is_taken_as_it_is(how: str) -> None:
    model = mlp()
    grow(model, {"first": 2}, cheap("how", how, norm="fixed", scale=0.75, side="incoming"))
    assert torch.allclose(norms(sides(model)[1]), torch.full((2,), 0.75), rtol=1e-4)


@pytest.mark.parametrize("how", ["gradmax", "gradmax_opt"])
def test_gradmax_units_are_orthogonal(how: str) -> None:
    model = mlp()
    grow(model, {"first": 3}, cheap("how", how, norm="fixed", scale=1.0, side="incoming"))
    outgoing = sides(model)[1]
    assert torch.allclose(outgoing @ outgoing.T, torch.eye(3), atol=1e-4)


def test_random_directions_have_both_signs_unless_they_are_positive() -> None:
    for distribution, negative in (("signed", True), ("positive", False)):
        model = mlp()
        grow(model, {"first": 5}, {"random": {"distribution": distribution, "side": "incoming"}})
        assert bool((sides(model)[1] < 0).any()) == negative


def test_gradmax_reaches_the_largest_gradient_for_its_norm_on_either_side() -> None:
    """Among equal norms: larger than any of 200 random growths, where the path is linear."""
    for side in ("incoming", "outgoing"):
        reached = {}
        for how, seeds in (("gradmax", 1), ("random", 200)):
            reached[how] = max(_gradient(how, side, seed) for seed in range(seeds))
        assert reached["gradmax"] > reached["random"]


def _gradient(how: str, side: str, seed: int) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(OrderedDict(first=nn.Linear(4, 4), second=nn.Linear(4, 3)))
    batch = batch_for(model)
    growsearch.grow(
        model,
        batch[0],
        {"first": 1},
        {how: {"norm": "fixed", "scale": 1.0, "side": side}},
        objective=objective,
        batches=[batch],
        seed=seed,
    )
    objective(model, batch).backward()
    if side == "incoming":
        return float(model.first.weight.grad[4:].norm())
    return float(model.second.weight.grad[:, 4:].norm())


def test_split_copies_the_unit_with_its_statistics() -> None:
    model = cnn()
    with torch.no_grad():
        for tensor in (model.norm.weight, model.norm.bias, model.norm.running_mean):
            tensor.copy_(torch.tensor([0.5, 1.0, 1.5, 2.0]))
        model.norm.running_var.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    event = grow(model, {"conv1": 3}, "split")
    source = next(edit.source for edit in event.edits if edit.tensor == "conv1.weight")[4:]
    assert len(set(source)) == 3
    for tensor in (*model.norm.parameters(), model.norm.running_mean, model.norm.running_var, model.conv1.weight):
        assert torch.equal(tensor[4:], tensor[list(source)])


@pytest.mark.parametrize(("noise", "units"), [(0.0, 3), (0.1, 3), (0.9, 11)])
def test_the_shares_of_the_copies_sum_to_one(noise: float, units: int) -> None:
    model = mlp()
    before = model.second.weight.detach().clone()
    event = grow(model, {"first": units}, {"split": {"noise": noise}})
    source = next(edit.source for edit in event.edits if edit.tensor == "first.weight")
    after = model.second.weight.detach()
    for unit in range(4):
        copies = [place for place, old in enumerate(source) if old == unit]
        assert torch.allclose(after[:, copies].sum(1), before[:, unit], atol=1e-6)
        tied = all(torch.equal(after[:, copies[0]], after[:, each]) for each in copies)
        assert tied == (noise == 0 or len(copies) == 1)
    # Every unit is copied once before one is copied again.
    assert sorted(source[4:8]) == [0, 1, 2, 3] or units < 4


def test_copies_with_unequal_shares_part_in_training() -> None:
    for noise, part in ((0.1, True), (0.0, False)):
        model = mlp()
        event = grow(model, {"first": 2}, {"split": {"noise": noise}})
        source = next(edit.source for edit in event.edits if edit.tensor == "first.weight")
        _train(model, 3)
        same = [torch.equal(model.first.weight[4 + i], model.first.weight[source[4 + i]]) for i in range(2)]
        assert all(same) != part and any(same) != part


def test_a_tied_embedding_is_not_split() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode = nn.Linear(7, 4, bias=False)
            self.decode = nn.Linear(7, 4, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.encode(x)) @ self.decode.weight

    class TiedEmbedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.out = nn.Linear(4, 7, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.embed(x))

    model = TiedEmbedding()
    x = torch.arange(6).reshape(2, 3)
    site = next(iter(growsearch.trace(model, x).sites))
    with pytest.raises(GrowthRefused, match="both makes its units and reads them"):
        growsearch.grow(model, x, {site: 1}, "split")
    assert model.embed.embedding_dim == 4


def test_identity_takes_the_layer_that_preserves() -> None:
    """Behind ReLU an identity layer; behind tanh, or a linear layer, a residual block."""
    for act, kind in ((nn.ReLU, "identity"), (nn.Tanh, "residual")):
        for place, expected in (("act1", kind), ("first", "residual")):
            model = mlp(act=act)
            x = batch_for(model)[0]
            before = outputs_of(model, x, training=False)
            event = grow(model, {place: 1}, "identity")
            (insertion,) = event.edits
            assert isinstance(insertion, Insertion) and insertion.layer == expected
            assert relative_difference(before, outputs_of(model, x, training=False)) < 1e-6


def test_identity_inserts_the_layer_that_is_asked_for() -> None:
    event = grow(cnn(), {"act1": 1}, {"identity": {"layer": "residual", "kernel": 5}})
    (insertion,) = event.edits
    assert isinstance(insertion, Insertion)
    assert (insertion.layer, insertion.kernel, insertion.channels, insertion.spatial) == ("residual", 5, 4, 2)
    with pytest.raises(GrowthRefused, match="found nothing to add at act1"):
        grow(mlp(act=nn.Tanh), {"act1": 1}, {"identity": {"layer": "identity"}})


@pytest.mark.parametrize("kernel", [0, 2, 4])
def test_identity_wants_an_odd_kernel(kernel: int) -> None:
    with pytest.raises(InputError, match="kernel"):
        grow(cnn(), {"act1": 1}, {"identity": {"kernel": kernel}})


@pytest.mark.parametrize("layer", ["identity", "residual"])
def test_a_new_layer_trains(layer: str) -> None:
    model = mlp()
    grow(model, {"act1": 1}, {"identity": {"layer": layer}})
    new = [p for name, p in model.named_parameters() if name.startswith("act1.")]
    before = [p.detach().clone() for p in new]
    _train(model, 5)
    assert new and all(float((p.detach() - old).norm()) > 1e-5 for p, old in zip(new, before, strict=True))


@pytest.mark.parametrize("side", ["auto", "incoming", "outgoing"])
@pytest.mark.parametrize("kind", ["bias", "no bias", "batch norm"])
@pytest.mark.parametrize("how", WIDENING)
def test_both_sides_of_every_new_unit_behind_a_plain_relu_train(how: str, kind: str, side: str) -> None:
    model = cnn() if kind == "batch norm" else mlp(bias=kind == "bias")
    grow(model, {"conv1" if kind == "batch norm" else "first": 3}, cheap("how", how, side=side, scale=0.5))
    before = sides(model)
    before = (before[0].clone(), before[1].clone())
    _train(model, 12, lr=0.3)
    for name, old, new in zip(("incoming", "outgoing"), before, sides(model), strict=True):
        assert float(norms(new - old).min()) > 1e-5, name


def test_units_that_are_zero_on_both_sides_would_not_train() -> None:
    """Negative control: an exact saddle."""
    model = mlp()
    grow(model, {"first": 3}, "zero")
    with torch.no_grad():
        model.first.weight[4:] = 0.0
        model.first.bias[4:] = 0.0
    _train(model, 8)
    assert all(float(side.abs().max()) == 0.0 for side in sides(model))


def _train(model: nn.Module, steps: int, lr: float = 0.1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(steps):
        optimizer.zero_grad()
        objective(model.train(), batch_for(model, 64, seed=step)).backward()
        optimizer.step()


def test_behind_a_normalisation_its_shift_alone_keeps_new_units_awake() -> None:
    """Weights just above zero would be normalised to full size as soon as they are trained."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    batch = torch.randn(32, 4), torch.randn(32, 2)

    growsearch.grow(model, batch[0], {"0": 2}, {"gradmax": {"side": "incoming"}}, objective=objective, batches=[batch])

    assert not model.get_parameter("0.weight")[5:].any()
    assert (model.get_parameter("1.bias")[5:] > 0).all()

"""Defects that were found by review, each with the network that showed it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth.statistics.collect import gradient_triplets
from growsearch.surgery import apply_edits, site_edits

Batch = tuple[Tensor, Tensor]
Objective = Callable[[nn.Module, Any], Tensor]


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return (torch.tanh(model(batch[0]) - batch[1]) ** 2).mean()


class Net(nn.Module):
    """Layers by name, and what to do with them."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def case(build: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, Tensor, Batch]:
    torch.manual_seed(0)
    model = build().double()
    x = torch.randn(shape, dtype=torch.float64)
    return model, x, (x, torch.randn_like(model(x)))


def grow(model: nn.Module, x: Tensor, batch: Batch, units: Mapping[str, int], how: Any) -> None:
    growsearch.grow(model, x, units, how, objective=objective, batches=[batch])


def true_values(model: nn.Module, x: Tensor, batch: Batch, site: str, loss: Objective = objective) -> Tensor:
    """By autograd, the singular values of the second derivative by one new unit's outgoing and incoming weights."""
    found = growsearch.trace(model, x).sites[site]
    wide = copy.deepcopy(model)
    apply_edits(wide, site_edits(found, [*range(found.units), -1]))
    parameters = dict(wide.named_parameters())
    outs, ins = ([u for u in found.axes if u.role == role] for role in ("out", "in"))

    def new(use: Any) -> Tensor:
        places, shift = [], 0
        for run in use.runs:
            places += [run.offset + shift + found.units * run.repeat + i for i in range(run.repeat)]
            shift += run.repeat
        return torch.tensor(places)

    first = torch.autograd.grad(loss(wide, batch), [parameters[u.tensor] for u in outs], create_graph=True)
    incoming = torch.cat([g.index_select(u.axis, new(u)).flatten() for g, u in zip(first, outs, strict=True)])
    columns = []
    for entry in incoming:
        second = torch.autograd.grad(entry, [parameters[u.tensor] for u in ins], retain_graph=True)
        columns.append(torch.cat([g.index_select(u.axis, new(u)).flatten() for g, u in zip(second, ins, strict=True)]))
    return torch.linalg.svdvals(torch.stack(columns, 1))


def assert_exact(model: nn.Module, x: Tensor, batch: Batch, site: str, loss: Objective = objective) -> None:
    graph = growsearch.trace(model, x)
    found = gradient_triplets(model, graph, {site: 3}, loss, [batch], torch.Generator())[site][0].values
    torch.testing.assert_close(found.double(), true_values(model, x, batch, site, loss)[:3], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "how",
    ["zero", {"random": {"side": "outgoing"}}, {"gradmax": {"side": "outgoing"}}, {"gradmax_opt": {"steps": 2}}],
    ids=["zero", "random", "gradmax", "gradmax_opt"],
)
def test_grouped_producers_take_incoming_weights(how: Any) -> None:
    model, x, batch = case(
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2)),
        *(4, 4, 9, 9),
    )
    before = model(x).detach()
    grow(model, x, batch, {"0": 4}, how)
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-5)
    assert float(model[0].weight[[3, 4, 8, 9]].detach().flatten(1).norm(dim=1).min()) > 0


def pooled_twice(model: Any, x: Tensor) -> Tensor:
    """Every channel enters the last layer four times, and once more behind all of those."""
    h = torch.tanh(model.first(x))
    return model.last(torch.cat([F.adaptive_avg_pool2d(h, 2).flatten(1), h.mean((2, 3))], 1))


def test_runs_of_different_length_are_exact() -> None:
    model, x, batch = case(lambda: Net(pooled_twice, first=nn.Conv2d(2, 3, 3), last=nn.Linear(15, 4)), 4, 2, 8, 8)
    assert_exact(model, x, batch, "first")


@pytest.mark.parametrize("how", ["random", "gradmax", "gradmax_opt"])
def test_runs_of_different_length_keep_units_apart(how: str) -> None:
    model, x, batch = case(lambda: Net(pooled_twice, first=nn.Conv2d(2, 3, 3), last=nn.Linear(15, 4)), 4, 2, 8, 8)
    grow(model, x, batch, {"first": 2}, {how: {"scale": 1.0, "norm": "fixed"}})
    weight = model.get_submodule("last").weight.detach()
    units = [weight[:, [*range(12 + 4 * u, 16 + 4 * u), 23 + u]] for u in range(2)]
    torch.testing.assert_close(torch.stack([u.norm() for u in units]), torch.ones(2).double(), rtol=1e-5, atol=0)
    if how == "gradmax":
        assert abs(float((units[0] * units[1]).sum())) < 1e-6


def twice(model: Any, x: Tensor) -> Tensor:
    return model.last(torch.tanh(model.first(x))) * model.last(torch.tanh(model.first(x.flip(0))))


def recurrent(model: Any, x: Tensor) -> Tensor:
    h = torch.tanh(model.first(x))
    for time in (2, 3):
        h = torch.tanh(model.again(h) + model.first(time * x))
    return model.last(h)


def both_views(model: Any, x: Tensor) -> Tensor:
    return model.last(torch.cat([torch.tanh(model.first(x)), torch.tanh(model.first(x.flip(1)))], 0))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Net(twice, first=nn.Linear(5, 4), last=nn.Linear(4, 3)),
        lambda: Net(recurrent, first=nn.Linear(5, 4), again=nn.Linear(4, 4), last=nn.Linear(4, 3)),
        lambda: Net(both_views, first=nn.Linear(5, 4), last=nn.Linear(4, 3)),
    ],
    ids=["siamese", "recurrent", "joined_samples"],
)
def test_layers_that_are_called_again_are_exact(build: Callable[[], nn.Module]) -> None:
    model, x, batch = case(build, 9, 5)
    assert_exact(model, x, batch, "first")


def test_a_unit_of_layers_that_are_called_again_has_the_norm_that_was_asked_for() -> None:
    model, x, batch = case(lambda: Net(twice, first=nn.Linear(5, 4), last=nn.Linear(4, 3)), 9, 5)
    grow(model, x, batch, {"first": 2}, {"gradmax": {"scale": 1.0, "norm": "fixed"}})
    norms = model.get_submodule("last").weight.detach()[:, -2:].norm(dim=0)
    torch.testing.assert_close(norms, torch.ones(2).double(), rtol=1e-5, atol=0)


def test_a_sum_that_broadcasts_positions_is_exact() -> None:
    def run(model: Any, x: Tensor) -> Tensor:
        return model.last(torch.tanh(model.first(x) + model.context(x.mean((2, 3), keepdim=True))))

    layers = {"first": nn.Conv2d(2, 3, 3, padding=1), "context": nn.Conv2d(2, 3, 1), "last": nn.Conv2d(3, 2, 3)}
    model, x, batch = case(lambda: Net(run, **layers), 4, 2, 7, 7)
    assert_exact(model, x, batch, "first")

"""Law 2 behind batch normalisation: the optimum with zero incoming weights, close to it with zero outgoing ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import growsearch

UNITS = 2
Batch = tuple[Tensor, Tensor]


class Pair(nn.Module):
    """Two layers with a path between them; a second reader beside it where there is one."""

    def __init__(self, first: nn.Module, path: nn.Module, second: nn.Module, beside: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.path, self.second, self.beside = first, path, second, beside

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        out: Tensor = self.second(self.path(hidden))
        return out if self.beside is None else out + self.beside(hidden)


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return (torch.tanh(model(batch[0]) - batch[1]) ** 2).mean()


def problem(model: Pair, shape: tuple[int, ...]) -> tuple[Pair, Batch]:
    """The model in float64 with inputs that are never negative, as behind a ReLU: their mean is far from 0."""
    model = model.double()
    x = torch.rand(shape, dtype=torch.float64)
    return model, (x, torch.randn(model(x).shape, dtype=torch.float64))


def convolutions(k1: int, s1: int, p1: int, k2: int, s2: int, p2: int, *path: nn.Module) -> Pair:
    torch.manual_seed(0)
    first, second = nn.Conv2d(2, 3, k1, s1, p1), nn.Conv2d(3, 4, k2, s2, p2)
    return Pair(first, nn.Sequential(nn.BatchNorm2d(3), *path), second)


def linear() -> Pair:
    torch.manual_seed(0)
    return Pair(nn.Linear(7, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Tanh()), nn.Linear(3, 4))


def beside() -> Pair:
    """One reader of the normalised units, one of the units as they are."""
    torch.manual_seed(0)
    path = nn.Sequential(nn.BatchNorm2d(3, eps=0.5), nn.Tanh())
    return Pair(nn.Conv2d(2, 3, 3), path, nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3))


MODELS = {
    "tanh": (lambda: convolutions(3, 1, 1, 3, 1, 1, nn.Tanh()), (5, 2, 8, 9)),
    "relu": (lambda: convolutions(3, 1, 1, 3, 1, 1, nn.ReLU()), (5, 2, 8, 9)),
    "strided": (lambda: convolutions(3, 2, 1, 3, 2, 1, nn.ReLU()), (5, 2, 11, 12)),
    "unpadded": (lambda: convolutions(5, 1, 0, 3, 2, 0, nn.GELU()), (5, 2, 12, 11)),
    "pooled": (lambda: convolutions(3, 1, 1, 3, 1, 1, nn.ReLU(), nn.AvgPool2d(2)), (5, 2, 8, 10)),
    "linear": (linear, (20, 7)),
    "beside": (beside, (5, 2, 8, 9)),
}


def widened(model: Pair) -> Pair:
    """One more unit, both sides zero, just above 0 in front of the activation."""
    wide = copy.deepcopy(model)
    readers = [layer for layer in (wide.second, wide.beside) if layer is not None]
    for layer, axis in [(wide.first, 0), *((layer, 1) for layer in readers)]:
        weight = layer.weight.data
        layer.weight = nn.Parameter(torch.cat([weight, torch.zeros_like(weight.narrow(axis, 0, 1))], axis))
    wide.first.bias = nn.Parameter(torch.cat([wide.first.bias.data, wide.first.bias.data.new_zeros(1)]))
    norm = wide.path[0]
    for name, value in (("weight", 1.0), ("bias", 1e-15)):
        old = getattr(norm, name).data
        setattr(norm, name, nn.Parameter(torch.cat([old, old.new_full((1,), value)])))
    norm.running_mean = torch.cat([norm.running_mean, norm.running_mean.new_zeros(1)])
    norm.running_var = torch.cat([norm.running_var, norm.running_var.new_ones(1)])
    return wide


def best_gain(model: Pair, batch: Batch) -> float:
    """Sum of the squares of the largest singular values of the second derivatives at zero, by autograd."""
    wide = widened(model)
    readers = [layer.weight for layer in (wide.second, wide.beside) if layer is not None]
    (incoming,) = torch.autograd.grad(objective(wide, batch), wide.first.weight, create_graph=True)
    columns = [
        torch.cat([grad[:, -1].flatten() for grad in torch.autograd.grad(g, readers, retain_graph=True)])
        for g in incoming[-1].flatten()
    ]
    return float((torch.linalg.svdvals(torch.stack(columns, 1))[:UNITS] ** 2).sum())


def gain_after(model: Pair, batch: Batch, how: object) -> float:
    """Squared norm of the gradient at the new incoming weights, for outgoing ones of norm 1."""
    grown = copy.deepcopy(model)
    growsearch.grow(grown, batch[0], {"first": UNITS}, how, objective=objective, batches=[batch])
    objective(grown, batch).backward()
    assert float(grown.first.weight.detach()[-UNITS:].abs().max()) == 0.0
    return float(grown.first.weight.grad[-UNITS:].square().sum())


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", MODELS)
def test_zero_incoming_weights_get_the_largest_gradient(name: str, training: bool) -> None:
    build, shape = MODELS[name]
    model, batch = problem(build(), shape)
    model.train(training)
    reached = gain_after(model, batch, {"gradmax": {"scale": 1.0, "norm": "fixed", "side": "incoming"}})
    assert reached == pytest.approx(best_gain(model, batch), rel=1e-4)

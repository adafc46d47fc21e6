"""Law 2 behind batch normalisation: the optimum with zero incoming weights, close to it with zero outgoing ones."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth import Allowance, GrowthContext, NewSlices, planned_edits
from growsearch.surgery import apply_edits
from growsearch_strategies.how.gradmax import GradMax

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


class Stream(nn.Module):
    """Residual blocks with normalisation: a stream with several producers and readers, and two sites inside."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(6, 6, 3, padding=1, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.Conv2d(6, 6, 3, padding=1, bias=False),
                nn.BatchNorm2d(6),
            )
            for _ in range(2)
        )
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        for block in self.blocks:
            x = torch.relu(x + block(x))
        return self.head(x.mean((2, 3)))


def chain() -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((3, 8), (8, 8), (8, 8)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def classification(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def outgoing_gains(model: nn.Module, batch: Batch, how: object) -> dict[str, float]:
    """Per site, the gradient norm at the new outgoing weights: all sites grow at once, by two units each."""
    grown = copy.deepcopy(model)
    graph = growsearch.trace(grown, batch[0])
    units = dict.fromkeys((name for name, site in graph.sites.items() if site.kind == "exact"), UNITS)
    growsearch.grow(grown, batch[0], units, how, objective=classification, batches=[batch])
    slices = {name: NewSlices(grown, graph, graph.sites[name], "in", UNITS, units) for name in units}
    classification(grown, batch).backward()
    return {
        name: float(s.squared_norms([t.grad for t in s.tensors if t.grad is not None]).sum()) ** 0.5
        for name, s in slices.items()
    }


@pytest.mark.parametrize("build", [chain, Stream])
def test_zero_outgoing_weights_get_as_large_a_gradient_as_by_long_optimisation(build: Callable[[], nn.Module]) -> None:
    """At every site, and more than random ones have; singular vectors alone stay behind (negative control)."""
    torch.manual_seed(0)
    model = build()
    batch = (torch.randn(16, 3, 6, 6), torch.randint(5, (16,)))
    best = outgoing_gains(model, batch, {"gradmax_opt": {"steps": 40}})
    found, random = outgoing_gains(model, batch, "gradmax"), outgoing_gains(model, batch, "random")
    for site, gain in found.items():
        assert gain >= 0.95 * best[site]
        assert gain >= 1.3 * random[site]
    assert sum(outgoing_gains(model, batch, {"gradmax": {"refine": 0}}).values()) < 0.9 * sum(best.values())


def test_a_unit_is_worth_the_gradient_that_it_gets() -> None:
    torch.manual_seed(0)
    model, batch = Stream().double(), (torch.randn(16, 3, 6, 6).double(), torch.randint(5, (16,)))
    graph = growsearch.trace(model, batch[0])
    sites = {"stem": graph.sites["stem"]}
    allowance = Allowance({"stem": UNITS}, {"stem": UNITS}, UNITS)
    context = GrowthContext(
        model, graph, sites, {}, allowance, torch.Generator(), {}, objective=classification, batches=[batch]
    )
    found = GradMax().propose({"stem": UNITS}, context)
    apply_edits(model, planned_edits(graph, found))
    slices = NewSlices(model, graph, sites["stem"], "in", UNITS, {"stem": UNITS})
    gains = slices.squared_norms(list(torch.autograd.grad(classification(model, batch), slices.tensors))).sqrt()
    assert gains.tolist() == pytest.approx([c.score for c in found], rel=1e-5)
    assert gains[0] >= gains[1]

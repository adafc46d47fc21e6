"""The gradient at zero outgoing weights, computed from the new channels alone."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import GrowthFailed, trace
from growsearch.graph import NetworkGraph
from growsearch.growth import NewSlices, SiteEnds, planned_edits
from growsearch.growth.statistics.path_response import OutgoingGradient, OutgoingGradients, PathResponse
from growsearch.surgery import apply_edits

UNITS = 2
Batch = tuple[Tensor, Tensor]


class Stream(nn.Module):
    """A residual stream: several producers, normalised each, several readers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.inner, self.norm1 = nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.outer, self.norm2 = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.norm0(self.stem(x)))
        x = F.relu(x + self.norm2(self.outer(F.relu(self.norm1(self.inner(x))))))
        return self.head(x.mean((2, 3)))


def chain(*path: nn.Module) -> nn.Sequential:
    readers = [nn.Conv2d(4, 3, 3, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)]
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), *path, *readers)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "normalised": (lambda: chain(nn.BatchNorm2d(4), nn.ReLU(inplace=True)), "0"),
    "max pool": (lambda: chain(nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), "0"),
    "gelu": (lambda: chain(nn.GELU(), nn.AvgPool2d(2)), "0"),
    "grouped": (lambda: nn.Sequential(*grouped()), "1"),
    "stream": (Stream, "stem"),
}


def grouped() -> list[nn.Module]:
    readers = [nn.Conv2d(4, 4, 3, groups=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    return [nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3, groups=2), nn.BatchNorm2d(4), nn.ReLU(), *readers]


def once(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def two_views(model: nn.Module, batch: Batch) -> Tensor:
    return once(model, batch) + (model(batch[0]) - model(batch[0].flip(3))).square().mean()


def problem(name: str) -> tuple[nn.Module, NetworkGraph, str, Batch]:
    torch.manual_seed(0)
    build, site = NETWORKS[name]
    model = build().double()
    batch = (torch.randn(6, 2, 9, 10, dtype=torch.float64), torch.randint(3, (6,)))
    return model, trace(model, batch[0]), site, batch


def by_backward(
    model: nn.Module,
    graph: NetworkGraph,
    site: str,
    vectors: list[Tensor],
    batch: Batch,
    objective: Callable[..., Tensor],
) -> Tensor:
    """Squared gradient norm at each new unit's outgoing weights, in a copy that has the units."""
    ends = SiteEnds(model, graph, graph.sites[site])
    wide = copy.deepcopy(model)
    apply_edits(wide, planned_edits(graph, ends.candidates("outgoing", vectors)))
    slices = NewSlices(wide, graph, graph.sites[site], "in", UNITS, {site: UNITS})
    return slices.squared_norms(list(torch.autograd.grad(objective(wide, batch), slices.tensors)))


@pytest.mark.parametrize("objective", [once, two_views])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_gradient_of_a_network_that_has_the_units(name: str, objective: Callable[..., Tensor]) -> None:
    model, graph, site, batch = problem(name)
    unit_channels = OutgoingGradients(model, graph, [site], objective).on(batch)[site]
    lengths = [
        SiteEnds(model, graph, graph.sites[site]).length("incoming", channel) for channel in range(len(unit_channels))
    ]
    vectors = [torch.randn(UNITS, length, dtype=torch.float64) for length in lengths]

    found = torch.stack([channel(v).square().sum(1) for channel, v in zip(unit_channels, vectors, strict=True)]).sum(0)

    torch.testing.assert_close(found, by_backward(model, graph, site, vectors, batch, objective), rtol=1e-6, atol=0)


@pytest.mark.parametrize("objective", [once, two_views])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_ascent_goes_along_the_derivative(name: str, objective: Callable[..., Tensor]) -> None:
    model, graph, site, batch = problem(name)
    gradient: OutgoingGradient = OutgoingGradients(model, graph, [site], objective).on(batch)[site][0]
    length = SiteEnds(model, graph, graph.sites[site]).length("incoming", 0)
    rows, along = torch.randn(2, UNITS, length, dtype=torch.float64)
    gains, slopes = gradient.ascent(rows)

    torch.testing.assert_close(gains, gradient(rows).square().sum(1))
    step = 1e-6
    ahead, back = (gradient(rows + sign * step * along).square().sum(1) for sign in (1, -1))
    torch.testing.assert_close((slopes * along).sum(1), (ahead - back) / (2 * step), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    ("path", "linear"),
    [
        ([nn.Identity()], True),
        ([nn.AvgPool2d(2)], True),
        ([nn.Dropout(0.5)], True),
        ([nn.BatchNorm2d(4)], False),
        ([nn.ReLU()], False),
        ([nn.Tanh()], False),
        ([nn.MaxPool2d(2)], False),
    ],
)
def test_followers_are_linear_or_not(path: list[nn.Module], linear: bool) -> None:
    model = chain(*path)
    graph = trace(model, torch.randn(2, 2, 9, 10))
    assert PathResponse(graph, model, graph.sites["0"]).linear is linear


def test_nothing_is_left_behind() -> None:
    model, graph, site, batch = problem("normalised")
    before, vectors = copy.deepcopy(model.state_dict()), torch.randn(1, 18, dtype=torch.float64)
    state = torch.get_rng_state()
    OutgoingGradients(model, graph, [site], once).on(batch)[site][0].ascent(vectors)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and all(p.grad is None for p in model.parameters())
    assert torch.equal(state, torch.get_rng_state())


def test_a_gradient_that_is_not_finite_fails_the_growth() -> None:
    model, graph, site, batch = problem("gelu")
    gradient = OutgoingGradients(model, graph, [site], once).on(batch)[site][0]
    with pytest.raises(GrowthFailed, match="not finite"):
        gradient.ascent(torch.full((1, 18), float("inf"), dtype=torch.float64))

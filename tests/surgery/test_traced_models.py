"""Law 1 for surgery alone: sites found by tracing grow, split and deepen without changing the function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.densenet import DenseNet
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock

from growsearch.graph import NetworkGraph, trace
from growsearch.surgery import AxisEdit, Insertion, apply_edits, outputs_of, relative_difference, site_edits


class Concatenated(nn.Module):
    """Two sites in one normalisation and one linear layer, one of them in two runs."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 5, 1)
        self.norm = nn.BatchNorm2d(13)
        self.head = nn.Linear(13 * 4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        left = F.relu(self.left(inputs))
        joined = self.norm(torch.cat([left, self.right(inputs), left], 1))
        return self.head(F.adaptive_avg_pool2d(F.relu(joined), 2).flatten(1))


class Reused(nn.Module):
    """A layer that is called twice: its weight has the same site on both axes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.tanh(self.again(torch.tanh(self.again(self.first(inputs))))))


class Scaled(nn.Module):
    """Free parameters and a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.gain = nn.Parameter(torch.rand(8, 1, 1))
        self.shifts = nn.ParameterList([torch.rand(8, 1, 1)])
        self.register_buffer("mask", torch.rand(8, 1, 1), persistent=False)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(inputs)) * self.gain * self.mask + self.shifts[0])


MODELS = {
    "concatenated": Concatenated,
    "reused": Reused,
    "scaled": Scaled,
    "grouped": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(8, 3, 1)),
    "depthwise": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3, groups=4), nn.PReLU(8), nn.Conv2d(8, 3, 1)
    ),
    "transposed": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 1)),
    "residual": lambda: nn.Sequential(BasicBlock(3, 3), nn.Conv2d(3, 4, 1), BasicBlock(4, 4), nn.Conv2d(4, 3, 1)),
    "inverted": lambda: nn.Sequential(InvertedResidual(3, 4, 2, 2), InvertedResidual(4, 4, 1, 2), nn.Conv2d(4, 3, 1)),
    "dense": lambda: DenseNet(4, (2, 2), 8, num_classes=5),
}


@pytest.fixture(params=MODELS)
def model(request) -> nn.Module:
    """In float64: batch statistics over few values blow rounding errors up."""
    torch.manual_seed(0)
    made = MODELS[request.param]().double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=max(0.1, (2 / max(1, parameter[0].numel())) ** 0.5))
    for name, buffer in made.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 2.0)
    return made


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(3, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def both(model: nn.Module, inputs: Tensor) -> list:
    return [outputs_of(model, inputs, training) for training in (True, False)]


def exact_sites(graph: NetworkGraph) -> list:
    sites = [site for site in graph.sites.values() if site.kind == "exact"]
    assert sites
    return sites


def wider(graph: NetworkGraph) -> list[AxisEdit]:
    """Two new units at every site; all that does not lead out of them is not zero."""
    edits = []
    for site in exact_sites(graph):
        fills = {(use.tensor, use.axis): 0.5 for use in site.axes if use.role in ("out", "bias", "shift", "depthwise")}
        edits += site_edits(site, (*range(site.units), -1, -1), fills)
    return edits


def test_all_sites_at_once_widen_without_changing_the_function(model, inputs):
    before = both(model, inputs)
    apply_edits(model, wider(trace(model, inputs)))
    assert relative_difference(before, both(model, inputs)) < 1e-9
    apply_edits(model, wider(trace(model, inputs)))
    assert relative_difference(before, both(model, inputs)) < 1e-9


def test_all_sites_at_once_split_without_changing_the_function(model, inputs):
    before = both(model, inputs)
    graph = trace(model, inputs)
    apply_edits(model, [e for site in exact_sites(graph) for e in site_edits(site, (*range(site.units), 0, 1, 0))])
    assert relative_difference(before, both(model, inputs)) < 1e-9
    widths = {name: site.units for name, site in graph.sites.items() if site.kind == "exact"}
    grown = trace(model, inputs)
    assert {name: grown.sites[name].units for name in widths} == {name: units + 3 for name, units in widths.items()}


def test_new_units_can_be_taken_out_again(model, inputs):
    before = both(model, inputs)
    sizes = {name: tuple(each.shape) for name, each in model.state_dict().items()}
    apply_edits(model, wider(trace(model, inputs)))
    grown = trace(model, inputs)
    apply_edits(model, [e for site in exact_sites(grown) for e in site_edits(site, range(site.units - 2))])
    assert {name: tuple(each.shape) for name, each in model.state_dict().items()} == sizes
    assert relative_difference(before, both(model, inputs)) < 1e-9


def test_every_depth_site_deepens_without_changing_the_function(model, inputs):
    before = both(model, inputs)
    sites = list(trace(model, inputs).depth_sites.values())
    outermost = [site for site in sites if not any(site.name.startswith(f"{other.name}.") for other in sites)]
    insertions = [
        Insertion(site.name, "identity" if site.activation else "residual", site.channels, site.spatial, 3)
        for site in outermost[:8]
    ]
    apply_edits(model, insertions)
    assert relative_difference(before, both(model, inputs)) < 1e-9
    trace(model, inputs)

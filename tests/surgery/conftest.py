from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from growsearch.graph.site import AxisUse, Role, Run, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site() -> MakeSite:
    """A site from `(tensor, axis, role, size, (offset, repeat), ...)` for each axis."""

    def make(units: int, *uses: tuple, kind: str = "exact", reason: str = "") -> Site:
        axes = tuple(
            AxisUse(tensor, axis, role, tuple(Run(*run) for run in runs), size)
            for tensor, axis, role, size, *runs in uses
        )
        return Site("site", units, 1, kind, reason, (), (), (), axes, 0, 0)

    return make


class Network(nn.Module):
    """Convolution, normalisation, depthwise convolution, flattened into a linear layer; a buffer of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.activation = nn.ReLU()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.second = nn.Conv2d(6, 4, 3, padding=1)
        self.head = nn.Linear(4 * 4, 5)
        self.register_buffer("gain", torch.rand(6), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.depthwise(self.activation(self.norm(self.first(inputs)))) * self.gain.view(-1, 1, 1)
        return self.head(torch.relu(self.second(hidden)).flatten(1))


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    model = Network()
    for tensor in (*model.parameters(), model.norm.running_mean):
        nn.init.normal_(tensor, std=0.5)
    nn.init.uniform_(model.norm.running_var, 0.5, 2.0)
    return model


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def uses_of_first(depthwise: Role = "depthwise") -> tuple[tuple, ...]:
    return (
        ("first.weight", 0, "out", 6, (0, 1)),
        ("first.bias", 0, "bias", 6, (0, 1)),
        ("norm.weight", 0, "scale", 6, (0, 1)),
        ("norm.bias", 0, "shift", 6, (0, 1)),
        ("norm.running_mean", 0, "mean", 6, (0, 1)),
        ("norm.running_var", 0, "variance", 6, (0, 1)),
        ("depthwise.weight", 0, depthwise, 6, (0, 1)),
        ("depthwise.bias", 0, "bias", 6, (0, 1)),
        ("gain", 0, "free", 6, (0, 1)),
        ("second.weight", 1, "in", 6, (0, 1)),
    )


@pytest.fixture
def first_site(make_site: MakeSite) -> Site:
    return make_site(6, *uses_of_first())


@pytest.fixture
def second_site(make_site: MakeSite) -> Site:
    return make_site(
        4,
        ("second.weight", 0, "out", 4, (0, 1)),
        ("second.bias", 0, "bias", 4, (0, 1)),
        ("head.weight", 1, "in", 16, (0, 4)),
    )

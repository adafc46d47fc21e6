"""Parameters and FLOPs, of a network and of one more unit."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from growsearch.graph import trace
from tests.graph.patterns import CASES


def test_costs_of_a_hidden_unit() -> None:
    model = nn.Sequential(nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 3))

    site = trace(model, torch.ones(4, 10)).sites["0"]

    assert site.parameters_per_unit == 10 + 1 + 3  # a row, its bias, a column
    assert site.flops_per_unit == 2 * 10 + 2 * 3


def test_costs_of_a_channel() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False),  # 8x8 to 4x4
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Conv2d(6, 5, 3, bias=False),  # to 2x2
    )

    site = trace(model, torch.ones(2, 3, 8, 8)).sites["0"]

    assert site.parameters_per_unit == 3 * 9 + 2 + (9 + 1) + 5 * 9
    assert site.flops_per_unit == 2 * 16 * 3 * 9 + 2 * 16 * 9 + 2 * 4 * 5 * 9


def test_costs_of_a_unit_on_both_axes_of_a_tensor() -> None:
    shared = nn.Sequential(nn.Linear(4, 8), *[nn.Linear(8, 8)] * 2, nn.Linear(8, 2))

    site = trace(shared, torch.ones(3, 4)).sites["0"]

    assert site.parameters_per_unit == (4 + 1) + (9 * 9 - 8 * 8 + 1) + 2
    assert site.flops_per_unit == 2 * 4 + 2 * 2 * (9 * 9 - 8 * 8) + 2 * 2


def test_costs_of_a_unit_of_a_grouped_convolution() -> None:
    model = nn.Sequential(nn.Conv1d(2, 8, 1), nn.Conv1d(8, 12, 3, groups=4), nn.Conv1d(12, 1, 1))

    sites = trace(model, torch.ones(2, 2, 7)).sites

    assert sites["0"].parameters_per_unit == 4 * (2 + 1) + 12 * 3  # 4 channels, one in each group
    assert sites["0"].flops_per_unit == 2 * 7 * 4 * 2 + 2 * 5 * 12 * 3
    assert sites["1"].parameters_per_unit == 4 * (2 * 3 + 1) + 4
    assert sites["1"].flops_per_unit == 2 * 5 * 4 * 2 * 3 + 2 * 5 * 4


def test_costs_of_a_flattened_channel() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 4))

    site = trace(model, torch.ones(1, 1, 8, 8)).sites["0"]

    assert site.parameters_per_unit == 9 + 1 + 36 * 4
    assert site.flops_per_unit == 2 * 36 * 9 + 2 * 36 * 4


@pytest.mark.parametrize("name", ["vgg11", "resnext50_32x4d", "mobilenet_v3_small", "convnext_tiny", "swin_t"])
def test_total_flops_are_those_of_the_flop_counter(name: str) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None).eval()
    images = torch.empty(2, 3, 64, 64, device="meta")

    graph = trace(model, images)

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    assert graph.flops * 2 == counter.get_total_flops()
    assert graph.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_a_unit_costs_what_the_grown_model_costs_more(name: str, grown_difference) -> None:
    model, inputs, expected = CASES[name]
    for site in [site for site, (_, _, kind) in expected.items() if kind == "exact"]:
        grown = copy.deepcopy(model)
        before = trace(grown, inputs)

        grown_difference(grown, inputs, site)  # by one unit

        after = trace(grown, inputs)
        assert after.parameters - before.parameters == before.sites[site].parameters_per_unit
        assert after.flops - before.flops == before.sites[site].flops_per_unit

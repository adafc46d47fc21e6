"""Known models have the known number of sites."""

from __future__ import annotations

import pytest
import torch
import torchvision

from growsearch.graph import trace
from growsearch.graph.network import NetworkGraph


def traced(name: str, size: int) -> NetworkGraph:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None)
    return trace(model, torch.empty(2, 3, size, size, device="meta"))


@pytest.mark.parametrize(
    ("name", "exact", "mixing"),
    [
        ("vgg11", 10, 0),
        ("vgg19_bn", 18, 0),
        ("resnet18", 12, 0),
        ("mobilenet_v2", 25, 0),
        ("densenet121", 120, 0),
        ("efficientnet_b0", 40, 0),
        ("convnext_tiny", 18, 4),
        ("vit_b_16", 12, 0),
    ],
)
def test_number_of_growable_sites(name: str, exact: int, mixing: int) -> None:
    graph = traced(name, 224 if name == "vit_b_16" else 64)

    kinds = [site.kind for site in graph.sites.values()]
    assert (kinds.count("exact"), kinds.count("mixing")) == (exact, mixing)


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "swin_t", "squeezenet1_1"])
def test_further_models_trace(name: str) -> None:
    graph = traced(name, 64)

    assert any(site.kind == "exact" for site in graph.sites.values())
    assert all(site.reason for site in graph.sites.values() if site.kind != "exact")


def test_attention_width_is_frozen_by_its_heads() -> None:
    graph = traced("vit_b_16", 224)

    assert graph.sites["conv_proj"].kind == "frozen"
    assert "heads" in graph.sites["conv_proj"].reason
    assert graph.sites["encoder.layers.encoder_layer_0.mlp.0"].width == 3072


def test_grouped_convolution_grows_in_multiples_of_its_groups() -> None:
    graph = traced("resnext50_32x4d", 64)

    site = graph.sites["layer1.0.conv1"]
    assert (site.granularity, site.units, site.width) == (32, 4, 128)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small"])
def test_growing_sites_of_a_model_keeps_its_outputs(name, grown_difference) -> None:
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None)

    difference, graph = grown_difference(model, torch.randn(2, 3, 40, 40), *_some_sites(name))

    assert difference < 6e-6


def _some_sites(name: str) -> list[str]:
    return [site.name for site in traced(name, 40).sites.values() if site.kind == "exact"][::9]

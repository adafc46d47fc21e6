"""What a new layer costs is known before it is made."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import growsearch
from growsearch.growth import new_layer

NETWORKS = {
    "vectors": (nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)), (4, 3)),
    "rows": (nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)), (4, 5, 7, 3)),
    "images": (nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 1)), (4, 3, 8, 7)),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("layer", ["identity", "residual"])
def test_a_layer_costs_what_it_was_said_to(kind: str, layer: str) -> None:
    model, shape = NETWORKS[kind]
    x = torch.randn(shape)
    behind = "1"  # the activation
    told = new_layer(behind, growsearch.trace(model, x).depth_sites[behind], torch.Generator(), layer)

    event = growsearch.grow(copy.deepcopy(model), x, {behind: 1}, {"identity": {"layer": layer}})

    assert told is not None
    assert told.parameters == event.parameters_after - event.parameters_before
    assert told.flops == event.flops_after - event.flops_before

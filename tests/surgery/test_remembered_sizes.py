"""Normalisations without tensors follow their site: when growing, when rolled back, in companions and when rebuilt."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import growsearch
from growsearch.graph.remembered import remembered_sizes
from growsearch.surgery import Transaction, rebuild, site_edits

TOKENS, IMAGES = (5, 4), (2, 4, 6, 6)
NORMS = {
    "layer": (lambda: nn.LayerNorm(6, elementwise_affine=False), "normalized_shape", (8,), TOKENS),
    "rms": (lambda: nn.RMSNorm(6, elementwise_affine=False), "normalized_shape", (8,), TOKENS),
    "group": (lambda: nn.GroupNorm(2, 6, affine=False), "num_channels", 8, IMAGES),
    "instance": (lambda: nn.InstanceNorm2d(6), "num_features", 8, IMAGES),
    "batch": (lambda: nn.BatchNorm2d(6, affine=False, track_running_stats=False), "num_features", 8, IMAGES),
}


def network(norm: nn.Module, shape: tuple[int, ...]) -> nn.Sequential:
    layer = (lambda i, o: nn.Linear(i, o)) if len(shape) == 2 else (lambda i, o: nn.Conv2d(i, o, 1))
    return nn.Sequential(layer(4, 6), norm, nn.ReLU(), layer(6, 3))


@pytest.mark.parametrize("kind", NORMS)
def test_the_size_follows_everywhere(kind: str) -> None:
    make, attribute, grown, shape = NORMS[kind]
    torch.manual_seed(0)
    model, x = network(make(), shape), torch.randn(shape)
    seed, companion = copy.deepcopy(model), copy.deepcopy(model)
    growsearch.grow(model, x, {"0": 2}, companions=[companion])
    assert getattr(model[1], attribute) == getattr(companion[1], attribute) == grown
    again = rebuild(seed, [], model.state_dict(), sizes=remembered_sizes(model))
    assert getattr(again[1], attribute) == grown
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("kind", NORMS)
def test_a_rollback_restores_the_size(kind: str) -> None:
    make, attribute, _, shape = NORMS[kind]
    model = network(make(), shape)
    before = getattr(model[1], attribute)
    site = growsearch.trace(model, torch.randn(shape)).sites["0"]
    with Transaction(model) as transaction:
        transaction.apply(site_edits(site, [*range(site.units), -1]))
        assert getattr(model[1], attribute) != before
        transaction.rollback()
    assert getattr(model[1], attribute) == before

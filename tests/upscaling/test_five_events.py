"""The same law as for our networks, for those of `transformers`."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from growsearch.graph import NetworkGraph, trace
from growsearch.growth.grow import grow_traced
from growsearch.upscaling.config_sizes import without_dropout
from tests.laws.test_five_events import AXES, TOLERANCES, five_events, units_of
from tests.upscaling.conftest import drawn

INSIDE_FLOAT32 = ("llama", "qwen2")
"""Their normalisations compute in float32 whatever they are given: in float64 they are not exact to 1e-12."""


def network(kind: str, dtype: torch.dtype) -> tuple[Any, dict[str, torch.Tensor]]:
    model = drawn(kind)
    still = type(model)(without_dropout(model.config))
    still.load_state_dict(model.state_dict())
    if kind == "vit":
        return still.to(dtype), {"pixel_values": torch.randn(2, 1, 8, 8).to(dtype)}
    return still.to(dtype), {"input_ids": torch.randint(3, 50, (2, 6))}


@cache
def graph_of(kind: str) -> NetworkGraph:
    """The same for all number formats."""
    return trace(*network(kind, torch.float32))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "vit"])
def test_five_events_leave_the_function(kind: str, axis: str) -> None:
    for dtype in TOLERANCES if kind not in INSIDE_FLOAT32 else [torch.float32]:
        model, inputs = network(kind, dtype)
        differences, _ = five_events(model, graph_of(kind), inputs, axis)
        assert max(differences) < TOLERANCES[dtype]


def test_numbers_that_modules_keep_are_known_in_copies_of_blocks() -> None:
    """As a network of that size is traced anew: number of heads, and widths of layers of transformers' own."""
    model, inputs = network("gpt2", torch.float32)
    graph = graph_of("gpt2")

    _, graph = grow_traced(model, graph, inputs, units_of(graph, "depth", 0), "identity_blocks", report=None)

    fresh = trace(model, inputs)
    assert graph.block_sites == fresh.block_sites and graph.sites.keys() == fresh.sites.keys()
    for name, site in fresh.sites.items():
        assert set(graph.sites[name].attributes) == set(site.attributes)
    assert len(graph.sites["transformer.wte"].attributes) == 2 * 3

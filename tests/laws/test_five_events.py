"""Five growths in a row of an axis of a transformer leave its outputs as they are, in both modes and number formats."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, trace
from growsearch.growth import GrowthEvent
from growsearch.growth.grow import grow_traced
from growsearch.networks.base import Network
from growsearch.networks.gpt import GPT
from growsearch.networks.llama import Llama
from growsearch.networks.vit import ViT
from growsearch.surgery import outputs_of, relative_difference
from growsearch.upscaling.roles import roles_of

SIZES: dict[str, Any] = {"depth": 2, "embedding": 16, "heads": 2, "mlp_ratio": 2.0}
NETWORKS: list[Network] = [GPT(**SIZES), Llama(**SIZES, key_value_heads=1), ViT(**SIZES)]
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}
AXES = ["depth", "heads", "residual"]


def drawn(network: Network, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    """The network with every parameter drawn at random, and inputs."""
    torch.manual_seed(0)
    image = isinstance(network, ViT)
    model = network.build((1, 8, 8) if image else (6,), 11).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model, torch.randn(2, 1, 8, 8).to(dtype) if image else torch.randint(0, 11, (2, 6))


def units_of(graph: NetworkGraph, axis: str, event: int) -> dict[str, int]:
    """What the event adds: a block, a head in every block, or features of the stream, each time others."""
    if axis == "depth":
        return dict.fromkeys(graph.block_sites, 1)
    found = roles_of(graph)
    sites = found.heads if axis == "heads" else found.residual
    return {name: each.site.granularity * (1 if axis == "heads" else event + 2) for name, each in sites.items()}


def five_events(model: nn.Module, graph: NetworkGraph, inputs: Any, axis: str) -> tuple[list[float], list[GrowthEvent]]:
    """The differences from the outputs of before, in both modes after each event, and the events."""
    before = [outputs_of(model, inputs, training) for training in (False, True)]
    differences, events = [], []
    for number in range(5):
        how: Any = "identity_blocks" if axis == "depth" else ("zero", "copy_width")[number == 2]
        event, graph = grow_traced(model, graph, inputs, units_of(graph, axis, number), how, report=None)
        events.append(event)
        now = [outputs_of(model, inputs, training) for training in (False, True)]
        differences += [relative_difference(old, new) for old, new in zip(before, now, strict=True)]
    return differences, events


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_five_events_leave_the_function(network: Network, axis: str, dtype: torch.dtype) -> None:
    model, inputs = drawn(network, dtype)
    parameters = sum(parameter.numel() for parameter in model.parameters())

    differences, events = five_events(model, trace(model, inputs), inputs, axis)

    assert len(differences) == 10 and max(differences) < TOLERANCES[dtype]
    assert sum(parameter.numel() for parameter in model.parameters()) > parameters
    assert [set(event.kinds.values()) for event in events] == [{"blocks"} if axis == "depth" else set()] * 5


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_what_was_found_by_trial_holds_for_copies_of_blocks(network: Network) -> None:
    """The graph that follows a growth is the one that a network of that size has."""
    model, inputs = drawn(network, torch.float32)
    graph = trace(model, inputs)
    for axis in ("depth", "heads", "residual"):
        how = "identity_blocks" if axis == "depth" else "zero"
        _, graph = grow_traced(model, graph, inputs, units_of(graph, axis, 1), how, report=None)
    fresh = trace(model, inputs)
    assert graph.sites == fresh.sites and graph.block_sites == fresh.block_sites


def test_a_block_that_adds_something_is_seen() -> None:
    """Negative control."""
    model, inputs = drawn(NETWORKS[1], torch.float32)
    before = outputs_of(model, inputs, False)
    graph = trace(model, inputs)
    grow_traced(model, graph, inputs, units_of(graph, "depth", 0), {"stack": {}}, report=None)
    assert relative_difference(before, outputs_of(model, inputs, False)) > 1e-3

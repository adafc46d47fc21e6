"""How often a network is run to trace it, and to grow it: a number that its size has no part in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import growsearch
from growsearch.graph import trace, tracing
from growsearch.networks import build_network


def gpt(blocks: int) -> tuple[nn.Module, torch.Tensor]:
    spec = {"name": "gpt", "depth": blocks, "embedding": 8, "heads": 2}
    return build_network(spec, (6,), 12), torch.randint(12, (2, 6))


def cnn(layers: int) -> tuple[nn.Module, torch.Tensor]:
    parts = [layer for _ in range(layers) for layer in (nn.Conv2d(3, 3, 1), nn.ReLU())]
    return nn.Sequential(*parts), torch.randn(2, 3, 2, 2)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The models that were run, one for each trace."""
    found: list[nn.Module] = []
    run = tracing.traced

    def counted(model: nn.Module, *more: Any) -> Any:
        found.append(model)
        return run(model, *more)

    monkeypatch.setattr(tracing, "traced", counted)
    return found


@pytest.mark.parametrize("build", [gpt, cnn])
def test_growing_all_sites_traces_three_times(build: Any, runs: list[nn.Module]) -> None:
    model, inputs = build(2)
    sites = {name: site.granularity for name, site in trace(model, inputs).sites.items() if site.kind == "exact"}
    assert sites
    runs.clear()
    growsearch.grow(model, inputs, sites, report=None)
    assert len(runs) <= 3


@pytest.mark.parametrize("build", [gpt, cnn])
def test_a_deeper_network_is_not_traced_more_often(build: Any, runs: list[nn.Module]) -> None:
    counts = []
    for size in (2, 5):
        runs.clear()
        trace(*build(size))
        counts.append(len(runs))
    assert counts[0] == counts[1] == 2  # as it is, and longer and wider at once


class Counting(nn.Module):
    """Attention whose number of heads follows, block by block."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 2
        self.qkv, self.out = nn.Linear(6, 24), nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.view(*x.shape[:2], self.heads, 4).transpose(1, 2) for part in self.qkv(x).chunk(3, 2))
        return x + self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def test_heads_that_are_counted_follow_in_all_blocks_at_once(runs: list[nn.Module]) -> None:
    counts = []
    for blocks in (2, 6):
        runs.clear()
        graph = trace(nn.Sequential(*(Counting() for _ in range(blocks))), torch.randn(2, 3, 6))
        counts.append(len(runs))
        followed = {use.name for site in graph.sites.values() for use in site.attributes}
        assert followed == {"heads"}
        assert sum(bool(site.attributes) for site in graph.sites.values()) == blocks
    assert counts[0] == counts[1]

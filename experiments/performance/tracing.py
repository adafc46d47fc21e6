"""Tracing: its time by the number of layers, and how often growing all sites traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import nn

import growsearch
from growsearch.graph import trace, tracing
from growsearch.networks import build_network

from .measures import Pair, Row, both_clocks


def chain(layers: int) -> tuple[nn.Module, torch.Tensor]:
    """Convolutions with batch normalisation and ReLU in turn, counted as one layer each."""
    parts = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(layers // 3)]
    return nn.Sequential(*(layer for part in parts for layer in part)), torch.randn(2, 8, 8, 8)


def gpt(blocks: int) -> tuple[nn.Module, torch.Tensor]:
    """A small transformer."""
    spec = {"name": "gpt", "depth": blocks, "embedding": 32, "heads": 2}
    return build_network(spec, (16,), 32), torch.randint(32, (2, 16))


def _leaves(model: nn.Module) -> int:
    return sum(1 for module in model.modules() if not list(module.children()))


def _pair(build: Callable[[int], tuple[nn.Module, torch.Tensor]], small: int, large: int) -> Callable[[], Pair]:
    def pair() -> Pair:
        times, layers = [], []
        for size in (small, large):
            model, inputs = build(size)
            trace(model, inputs)  # what is done once in a process
            times.append(both_clocks(lambda model=model, inputs=inputs: trace(model, inputs)))  # type: ignore[misc]
            layers.append(_leaves(model))
        per_layer = [seconds[1] / count for seconds, count in zip(times, layers, strict=True)]
        return {
            "value": 100 * per_layer[1],
            "wall": 100 * times[1][0] / layers[1],
            "growth": per_layer[1] / per_layer[0],
        }

    return pair


def traces_of_growing(build: Callable[[int], tuple[nn.Module, torch.Tensor]], size: int) -> int:
    """How often the network is run and analysed when all its exact sites grow by a unit."""
    model, inputs = build(size)
    sites = {name: site.granularity for name, site in trace(model, inputs).sites.items() if site.kind == "exact"}
    count = 0
    run = tracing.traced

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return run(*arguments)

    with mock.patch.object(tracing, "traced", counted):
        growsearch.grow(model, inputs, sites, report=None)
    return count


ROWS = (
    Row("trace_chain", "tracing a chain of convolutions, per 100 layers", "s", 0.2, _pair(chain, 60, 240)),
    Row("trace_gpt", "tracing a small GPT, per 100 layers", "s", 0.2, _pair(gpt, 2, 6)),
    Row(
        "traces_chain",
        "traces of `grow` at all sites of a chain",
        "",
        3,
        lambda: {"value": traces_of_growing(chain, 60)},
    ),
    Row(
        "traces_gpt",
        "traces of `grow` at all sites of a small GPT",
        "",
        3,
        lambda: {"value": traces_of_growing(gpt, 2)},
    ),
)

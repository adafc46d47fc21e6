"""Tiny networks to grow, with data, and a loop that trains them as a user's would."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch import Grower
from growsearch.growth import GrowthEvent
from growsearch.testing.subjects import Batch, cnn, objective
from growsearch.testing.training import same

__all__ = [
    "Batch",
    "batch_for",
    "cnn",
    "grower_for",
    "mlp",
    "objective",
    "same",
    "sgd",
    "tensors_of",
    "train",
    "widths",
]


def mlp(bias: bool = True, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """4 - 4 - 6 - 3; sites "first" and "second", which meet in `second.weight`."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            first=nn.Linear(4, 4, bias=bias),
            act1=act(),
            second=nn.Linear(4, 6, bias=bias),
            act2=act(),
            head=nn.Linear(6, 3, bias=bias),
        )
    )


def batch_for(model: nn.Module, size: int = 16, seed: int = 0) -> Batch:
    """Inputs that fit `mlp` or `cnn`, and targets."""
    generator = torch.Generator().manual_seed(seed)
    images = any(isinstance(m, nn.Conv2d) for m in model.modules())
    shape = (size, 2, 6, 6) if images else (size, 4)
    return torch.randn(shape, generator=generator), torch.randn(size, 3, generator=generator)


def sgd(model: nn.Module) -> Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def grower_for(model: nn.Module, optimizer: Optimizer | None = None, **policy: Any) -> Grower:
    """A grower with data, that grows after every step unless `policy` says otherwise."""
    batch = batch_for(model)
    settings: dict[str, Any] = {"objective": objective, "batches": [batch], "when": {"interval": {"every": 1}}}
    return Grower(model, optimizer, batch[0], **{**settings, **policy})


def train(model: nn.Module, optimizer: Optimizer, grower: Grower, steps: int) -> list[GrowthEvent]:
    """Optimizer steps on batches that depend on the step alone, each followed by `grower.step()`."""
    events = []
    for _ in range(steps):
        objective(model, batch_for(model, seed=grower.progress.step)).backward()
        optimizer.step()
        optimizer.zero_grad()
        event = grower.step()
        if event is not None:
            events.append(event)
    return events


def widths(grower: Grower) -> dict[str, int]:
    return {name: site.width for name, site in grower.graph.sites.items()}


def tensors_of(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors in nested containers, with their place."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from tensors_of(each, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from tensors_of(each, f"{path}.{index}")

"""Tiny networks to grow, with data, and a loop that trains them as a user's would."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch import Grower
from growsearch.growth import GrowthEvent

Batch = tuple[Tensor, Tensor]


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


def cnn() -> nn.Sequential:
    """Two convolutions, the first with batch normalisation, flattened into a linear layer; 6 x 6 images of 2."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(2, 4, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(4),
            act1=nn.ReLU(),
            conv2=nn.Conv2d(4, 4, 3, stride=2, padding=1),
            act2=nn.ReLU(),
            flatten=nn.Flatten(),
            head=nn.Linear(36, 3),
        )
    )


def batch_for(model: nn.Module, size: int = 16, seed: int = 0) -> Batch:
    """Inputs that fit `mlp` or `cnn`, and targets."""
    generator = torch.Generator().manual_seed(seed)
    images = any(isinstance(m, nn.Conv2d) for m in model.modules())
    shape = (size, 2, 6, 6) if images else (size, 4)
    return torch.randn(shape, generator=generator), torch.randn(size, 3, generator=generator)


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


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


def same(one: Any, other: Any) -> bool:
    """Whether nested plain data and tensors are equal bit for bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)

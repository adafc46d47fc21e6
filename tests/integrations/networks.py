"""A network and data that train in no time, and what has to hold for optimizers that followed a growth."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import TensorDataset


def small_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def points(samples: int = 48) -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(samples, 4, generator=generator)
    return TensorDataset(inputs, inputs[:, :3].argmax(1))


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def trains_all_of(optimizer: Optimizer, model: nn.Module) -> bool:
    """Whether the optimizer holds the very parameters of the network, each with a state of its shape."""
    held = [p for group in optimizer.param_groups for p in group["params"]]
    own = {id(p) for p in model.parameters()}
    shaped = all(
        value.shape == p.shape
        for p in held
        for value in optimizer.state[p].values()
        if isinstance(value, Tensor) and value.ndim
    )
    return {id(p) for p in held} == own and shaped and all(optimizer.state[p] for p in held)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


GROWTH = {
    "when": {"interval": {"every": 3, "count": 2}},
    "where": "uniform",
    "how": "gradmax",
    "budget": {"width": 2.0},
    "objective": objective,
}

"""The most that an event holds, beside steady state, new tensors and one batch of activations."""

from __future__ import annotations

import torch
from torch import nn

from experiments.method_table.measure import objective
from growsearch import Grower
from growsearch.networks import build_network
from tests.growth.memory import LiveBytes
from tests.growth.tasks import tensors_of

from .measures import Pair, Row


def _held(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    state = (tensor for each in optimizer.state.values() for _, tensor in tensors_of(each))
    return [*model.parameters(), *model.buffers(), *state]


def _pair() -> Pair:
    torch.manual_seed(0)
    model = build_network({"name": "vgg11", "width": 0.25}, (3, 32, 32), 10)
    batch = (torch.randn(128, 3, 32, 32), torch.randint(10, (128,)))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    grower = Grower(
        model,
        optimizer,
        batch[0][:4],
        objective=objective,
        batches=[batch],
        when={"schedule": {"steps": [1]}},
        where="uniform",
        how="gradmax",
        amount=0.25,
    )

    def step() -> None:
        torch.autograd.backward(objective(model, batch))
        optimizer.step()
        optimizer.zero_grad()

    step()
    with LiveBytes([*_held(model, optimizer), *batch]) as training:
        steady = training.now
        step()
    before = sum(tensor.nbytes for tensor in _held(model, optimizer))
    with LiveBytes([*_held(model, optimizer), *batch]) as live:
        grower.step()
    new = sum(tensor.nbytes for tensor in _held(model, optimizer)) - before
    activations = training.peak - steady
    bound = steady + new + activations
    mega = 1 / 2**20
    return {
        "value": live.peak / bound,
        "peak": live.peak * mega,
        "steady": steady * mega,
        "new": new * mega,
        "activations": activations * mega,
    }


_WHAT = "peak memory of a `gradmax` event over steady state, new tensors and a training step's activations"
ROWS = (Row("memory", _WHAT, "x", 1.0, _pair),)

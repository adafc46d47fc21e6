"""Growth in a loop that begins with `zero_grad()`: gradients that a step has used may go, others may not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthRefused
from growsearch.growth import Grower

X, Y = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


def prepared(*rates: float) -> tuple[nn.Sequential, list[torch.optim.Optimizer], Grower]:
    """An optimizer for each layer; growth is due at every step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    layers = [model[0], model[2]] if len(rates) > 1 else [model]
    optimizers = [torch.optim.SGD(layer.parameters(), lr, 0.9) for layer, lr in zip(layers, rates, strict=True)]
    grower = Grower(model, optimizers, X, when={"interval": {"every": 1}}, how="zero", amount=0.2)
    return model, optimizers, grower


def loss(model: nn.Module) -> Tensor:
    return nn.functional.cross_entropy(model(X), Y)


@pytest.mark.parametrize("rates", [(0.1,), (0.1, 0.2)], ids=["one optimizer", "two optimizers"])
def test_a_loop_that_begins_with_zero_grad_grows_and_trains_as_one_that_ends_with_it(rates: tuple[float, ...]) -> None:
    found = []
    for first in (True, False):
        model, optimizers, grower = prepared(*rates)
        for _ in range(4):
            if first:
                for optimizer in optimizers:
                    optimizer.zero_grad()
            loss(model).backward()
            for optimizer in optimizers:
                optimizer.step()
            if not first:
                for optimizer in optimizers:
                    optimizer.zero_grad()
            assert grower.step() is not None
        assert model[0].out_features == 10
        found.append(loss(model))
    assert torch.equal(*found)


def test_between_backward_and_step_growth_is_refused() -> None:
    model, _, grower = prepared(0.1)
    loss(model).backward()

    with pytest.raises(GrowthRefused, match="no step has used yet"):
        grower.step()


@pytest.mark.parametrize("to_none", [True, False])
def test_what_a_later_backward_adds_is_not_lost(to_none: bool) -> None:
    """A step has used the gradients, but a backward pass since, behind a `zero_grad` or not, has made others."""
    for zero in (True, False):
        model, (optimizer,), grower = prepared(0.1)
        loss(model).backward()
        optimizer.step()
        if zero:
            optimizer.zero_grad(set_to_none=to_none)
        loss(model).backward()

        with pytest.raises(GrowthRefused, match="no step has used yet"):
            grower.step()


def test_one_of_two_optimizers_that_has_not_stepped_yet_refuses_growth() -> None:
    model, (first, _), grower = prepared(0.1, 0.1)
    loss(model).backward()
    first.step()

    with pytest.raises(GrowthRefused, match=r"'2.weight' has a gradient that no step has used yet"):
        grower.step()


def test_a_step_that_a_scaler_skips_does_not_stop_growth() -> None:
    """A step is skipped where gradients overflow: these would never have been used."""
    model, (optimizer,), grower = prepared(0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    before = model[0].weight.detach().clone()

    scaler.scale(loss(model) * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    event = grower.step()

    assert event is not None and model[0].out_features == 7
    assert torch.equal(model[0].weight[:6], before)

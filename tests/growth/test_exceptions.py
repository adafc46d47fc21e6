"""Whatever a grown network raises, the growth is rolled back whole, and one clear error or event says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import GrowthFailed, GrowthRefused
from growsearch.growth import Grower

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
CLASSES: list[type[BaseException]] = [
    *(AssertionError, AttributeError, IndexError, KeyError, LookupError, NotImplementedError, OSError),
    *(RuntimeError, StopIteration, TypeError, ValueError, ZeroDivisionError),
]


class Strict(nn.Module):
    """Raises where its hidden layer has another width: always, or only while `also` says so."""

    def __init__(self, error: type[BaseException], *, only_in_training: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.error, self.only_in_training = nn.Linear(4, 6), nn.Linear(6, 3), error, only_in_training

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.a(x).relu()
        if hidden.shape[-1] != 6 and (self.training or not self.only_in_training):
            raise self.error("found another width")
        return self.b(hidden)


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, ...]:
    return [(n, id(p), p.tolist()) for n, p in model.named_parameters()], optimizer.state_dict(), model.a.out_features


def trained(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    model(X).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    return optimizer


@pytest.mark.parametrize("only_in_training", [False, True])
@pytest.mark.parametrize("error", CLASSES)
def test_an_exception_of_any_class_is_one_failure_after_the_rollback(
    error: type[BaseException], only_in_training: bool
) -> None:
    model = Strict(error, only_in_training=only_in_training)
    optimizer = trained(model)
    before = everything(model, optimizer)

    # In evaluation mode the trial of `trace` finds it before anything is changed.
    expected = GrowthFailed if only_in_training else GrowthRefused
    with pytest.raises(expected, match=error.__name__) as failure:
        growsearch.grow(model, X, {"a": 2}, optimizer=optimizer)

    assert "found another width" in str(failure.value)
    assert ("rolled back" if only_in_training else "is frozen") in str(failure.value)
    assert everything(model, optimizer) == before


def test_an_objective_that_fails_on_the_grown_network_is_an_event_that_was_refused() -> None:
    model = nn.Sequential()
    model.a, model.b = nn.Linear(4, 6), nn.Linear(6, 3)
    optimizer = trained(model)
    before = everything(model, optimizer)

    def objective(net: nn.Module, batch: Tensor) -> Tensor:
        return {6: net(batch).square().mean()}[net.a.out_features]

    when = {"interval": {"every": 1, "count": 1}}
    grower = Grower(model, optimizer, X, objective=objective, batches=[X, X], when=when, budget={"width": 2.0})
    event = grower.step()

    assert event is not None and event.refused is not None and "KeyError" in event.refused
    assert everything(model, optimizer) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_passes_after_the_rollback(error: type[BaseException]) -> None:
    model = Strict(error, only_in_training=True)
    optimizer = trained(model)
    before = everything(model, optimizer)

    with pytest.raises(error):
        growsearch.grow(model, X, {"a": 2}, optimizer=optimizer)

    assert everything(model, optimizer) == before


def test_a_measurement_that_fails_after_the_growth_leaves_it_whole() -> None:
    model = nn.Sequential()
    model.a, model.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def objective(net: nn.Module, batch: Tensor) -> Tensor:
        if torch.is_grad_enabled() and net.a.out_features > 6:
            raise KeyError("gone")
        return net(batch).square().mean()

    when = {"interval": {"every": 1, "count": 2}}
    grower = Grower(model, None, X, objective=objective, batches=[X, X], when=when, budget={"width": 2.0})
    events = [grower.step(), grower.step()]

    assert [event.refused for event in events if event] == [None, None]
    assert events[0] is not None and not events[0].gradient_ratio
    assert grower.graph.sites["a"].width == model.a.out_features == 12

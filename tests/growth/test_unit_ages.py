"""Ages of units, faster learning of new ones, and their gradients beside the old ones'."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from growsearch import Grower, InputError, grow
from growsearch.growth import NewUnitSettings
from tests.growth.tasks import objective


def task() -> tuple[nn.Sequential, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), (torch.randn(16, 6), torch.randn(16, 3))


def train(grower: Grower, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, steps: int) -> list[Any]:
    events = []
    for _ in range(steps):
        objective(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        events.append(grower.step())
    return [event for event in events if event is not None]


def grower_of(model: nn.Module, optimizer: Any, batch: Any, **options: Any) -> Grower:
    defaults: dict[str, Any] = {"when": {"schedule": {"steps": [3, 5]}}, "how": "split", "amount": 0.5}
    defaults["batches"] = [batch]
    return Grower(model, optimizer, batch[0], objective=objective, **{**defaults, **options})


def test_units_that_are_new_or_split_have_the_age_of_their_event() -> None:
    model, batch = task()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    grower = grower_of(model, optimizer, batch, when={"schedule": {"steps": [3]}})
    [event] = train(grower, model, optimizer, batch, 5)
    ages = grower.state_dict()["ages"]["0"]
    assert event.sites == {"0": 4}
    # Four of the eight seed units were split; they and their four copies are as old as the event.
    assert sorted(ages) == [0] * 4 + [3] * 8
    assert ages[8:] == [3] * 4


def test_young_units_are_not_split() -> None:
    model, batch = task()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    grower = grower_of(model, optimizer, batch, new_units=NewUnitSettings(age=3))
    first, second = train(grower, model, optimizer, batch, 5)
    assert first.sites == {"0": 4}
    split = {edit.source[-1] for edit in second.edits if edit.tensor == "0.bias"}
    old = set(range(8)) - {unit for edit in first.edits if edit.tensor == "0.bias" for unit in edit.source[8:]}
    assert split <= old
    assert second.sites == {"0": 4}


def test_a_boost_moves_new_units_further_and_only_them() -> None:
    """One step of Adam: for new weights twice that of the same step without a boost, for the others the same."""

    def after(settings: NewUnitSettings | None) -> tuple[torch.Tensor, torch.Tensor]:
        model, batch = task()
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        grower = grower_of(model, optimizer, batch, how="random", when={"schedule": {"steps": [3]}}, new_units=settings)
        train(grower, model, optimizer, batch, 3)
        before = model[0].weight.detach().clone()
        train(grower, model, optimizer, batch, 1)
        return before, model[0].weight.detach() - before

    start, plain = after(None)
    same, boosted = after(NewUnitSettings(boost=2.0, steps=1))
    assert torch.equal(start, same)
    torch.testing.assert_close(boosted[:8], plain[:8], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(boosted[8:], 2 * plain[8:], rtol=1e-3, atol=1e-7)
    assert float(plain[8:].norm()) > 1e-4


def test_the_boost_ends() -> None:
    def after(settings: NewUnitSettings | None) -> torch.Tensor:
        model, batch = task()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        grower = grower_of(model, optimizer, batch, how="random", when={"schedule": {"steps": [3]}}, new_units=settings)
        train(grower, model, optimizer, batch, 5)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        optimizer.step()
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        objective(model, batch).backward()
        slope = model[0].weight.grad.clone()
        old = model[0].weight.detach().clone()
        optimizer.step()
        return (model[0].weight.detach() - old) / slope

    torch.testing.assert_close(after(NewUnitSettings(boost=4.0, steps=2)), after(None), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"age": -1}, {"boost": 0.0, "steps": 2}, {"boost": 2.0}, {"steps": 4}])
def test_settings_that_make_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        NewUnitSettings(**wrong)


def test_events_record_how_large_the_gradients_of_new_units_are() -> None:
    """Zero incoming weights under tanh: the outgoing weights get no gradient, the incoming ones W_out' M."""
    model, batch = task()
    fresh = (torch.randn(16, 6), torch.randn(16, 3))
    policy = {"how": {"random": {"side": "incoming"}}, "when": {"schedule": {"steps": [1]}}}
    grower = grower_of(model, None, batch, batches=[batch, batch, fresh, batch], statistics_batches=2, **policy)
    event = grower.step()
    assert event is not None
    # On the batch behind those that the strategies have seen.
    loss = objective(model, fresh)
    incoming, bias, outgoing, _ = torch.autograd.grad(loss, list(model.parameters()))
    assert float(outgoing[:, 8:].norm()) == 0.0
    norms = (incoming.square().sum(1) + outgoing.square().sum(0)).sqrt()
    assert event.gradient_ratio == pytest.approx({"0": float(norms[8:].mean() / norms[:8].mean())}, rel=1e-4)


def test_without_a_batch_that_no_strategy_has_seen_there_is_no_ratio() -> None:
    model, batch = task()
    policy = {"how": {"gradmax": {"side": "incoming"}}, "when": {"schedule": {"steps": [1]}}}
    event = grower_of(model, None, batch, batches=[batch, batch], statistics_batches=2, **policy).step()
    assert event is not None and event.sites and event.gradient_ratio == {}
    assert grow(model, batch[0], {"0": 1}, "gradmax", objective=objective, batches=[batch]).gradient_ratio == {}


def test_ages_survive_a_checkpoint() -> None:
    model, batch = task()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    grower = grower_of(model, optimizer, batch)
    train(grower, model, optimizer, batch, 4)
    again = grower_of(model, optimizer, batch)
    again.load_state_dict(grower.state_dict())
    assert again.state_dict()["ages"] == grower.state_dict()["ages"]

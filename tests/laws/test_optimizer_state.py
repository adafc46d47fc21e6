"""Law 5: growth keeps the optimizer's state, groups, names and schedulers, for every initializer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

import growsearch
from growsearch.growth import GrowthEvent
from growsearch.surgery import Insertion, rename
from tests.growth.tasks import Batch, batch_for, cnn, mlp, objective
from tests.laws.settings import cheap, grows_depth, hows
from tests.muon import without_muon

SECOND_MOMENTS = {"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum"}
ADDED = 2

Make = Callable[[list[tuple[str, nn.Parameter]]], list[Optimizer]]


def _muon(named: list[tuple[str, nn.Parameter]]) -> list[Optimizer]:
    matrices = [pair for pair in named if pair[1].ndim == 2]
    others = [pair for pair in named if pair[1].ndim != 2]
    return [torch.optim.Muon(matrices, lr=0.01), SGD(others, lr=0.01, momentum=0.9)]


OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda named: [SGD(named, lr=0.01, momentum=0.9)],
    "adam": lambda named: [Adam(named, lr=0.01, amsgrad=True)],
    "adamw": lambda named: [AdamW(named, lr=0.01)],
    "rmsprop": lambda named: [RMSprop(named, lr=0.01, momentum=0.9, centered=True)],
    "adagrad": lambda named: [Adagrad(named, lr=0.01)],
    "nadam": lambda named: [NAdam(named, lr=0.01)],
    "muon": _muon,
}


def train(model: nn.Module, optimizers: list[Optimizer], batch: Batch, steps: int = 2) -> None:
    for _ in range(steps):
        objective(model, batch).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def state_by_name(model: nn.Module, optimizers: list[Optimizer]) -> dict[str, dict[str, Any]]:
    found = {id(p): state for optimizer in optimizers for p, state in optimizer.state.items()}
    return {name: copy.deepcopy(found[id(p)]) for name, p in model.named_parameters() if id(p) in found}


def grow(model: nn.Module, optimizers: list[Optimizer], how: str, batch: Batch, place: str = "first") -> GrowthEvent:
    units = {"act1": 1} if grows_depth(how) else {place: ADDED}
    return growsearch.grow(
        model, batch[0], units, cheap("how", how), optimizers, objective=objective, batches=[batch], seed=3
    )


def violations(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], event: GrowthEvent, old_units: int
) -> list[str]:
    """What the state does not keep, or starts otherwise than documented."""
    insertions = [edit for edit in event.edits if isinstance(edit, Insertion)]
    edits = {edit.tensor: edit for edit in event.edits if not isinstance(edit, Insertion)}
    found = []
    for name in set(after) - {rename(name, insertions) for name in before}:
        # Adagrad gives a parameter its state when it is made: zeros.
        if any(torch.as_tensor(value).any() for value in after[name].values()):
            found.append(f"{name}: state that is not new")
    for name, old in before.items():
        new = after.get(rename(name, insertions), {})
        if list(new) != list(old):
            found.append(f"{name}: {list(old)} became {list(new)}")
            continue
        for key, value in old.items():
            now = new[key]
            if not isinstance(value, Tensor) or value.ndim == 0 or name not in edits:
                if not (torch.equal(now, value) if isinstance(value, Tensor) else now == value):
                    found.append(f"{name}: {key} changed")
                continue
            edit = edits[name]
            size = value.shape[edit.axis]
            if not torch.equal(now.narrow(edit.axis, 0, size), value):
                found.append(f"{name}: old slices of {key} changed")
            fresh = now.narrow(edit.axis, size, now.shape[edit.axis] - size)
            sources = edit.source[old_units * (size // old_units) :]
            if not torch.equal(fresh, _documented(key, value, edit.axis, sources)):
                found.append(f"{name}: new slices of {key} are not as documented")
    return found


def _documented(key: str, old: Tensor, axis: int, sources: tuple[int, ...]) -> Tensor:
    """Momenta start at 0; second moments at the mean of the old ones, those of copies at their unit's."""
    slices = []
    for source in sources:
        if key not in SECOND_MOMENTS:
            slices.append(torch.zeros_like(old.narrow(axis, 0, 1)))
        else:
            slices.append(old.mean(axis, keepdim=True) if source < 0 else old.narrow(axis, source, 1))
    return torch.cat(slices, axis)


@pytest.mark.parametrize("how", hows())
@pytest.mark.parametrize("optimizer", without_muon(OPTIMIZERS))
def test_old_state_is_kept_and_new_state_is_as_documented(optimizer: str, how: str) -> None:
    model = mlp()
    batch = batch_for(model)
    optimizers = OPTIMIZERS[optimizer](list(model.named_parameters()))
    train(model, optimizers, batch)
    before = state_by_name(model, optimizers)
    objects, groups = [id(o) for o in optimizers], [g for o in optimizers for g in o.param_groups]

    event = grow(model, optimizers, how, batch)

    after = state_by_name(model, optimizers)
    assert before and violations(before, after, event, old_units=4) == []
    held = [p for o in optimizers for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))
    assert {id(p) for o in optimizers for p in o.state} <= set(map(id, held))
    assert [id(o) for o in optimizers] == objects
    assert all(now is old for now, old in zip((g for o in optimizers for g in o.param_groups), groups, strict=True))
    named = dict(model.named_parameters())
    for group in groups:
        assert all(named[n] is p for n, p in zip(group["param_names"], group["params"], strict=True))
    old = [p.detach().clone() for p in model.parameters()]
    train(model, optimizers, batch)
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    assert any(not torch.equal(p.detach(), o) for p, o in zip(model.parameters(), old, strict=True))


@pytest.mark.parametrize("how", hows())
def test_state_of_convolutions_behind_normalisation_and_in_front_of_a_flatten_is_kept(how: str) -> None:
    model = cnn()
    batch = batch_for(model, 96)  # more than the last layer reads: else `tiny` finds nothing that it lacks
    optimizers = OPTIMIZERS["adam"](list(model.named_parameters()))
    train(model, optimizers, batch)
    for place in ("conv1", "conv2"):
        before = state_by_name(model, optimizers)
        event = grow(model, optimizers, how, batch, place)
        assert violations(before, state_by_name(model, optimizers), event, old_units=4) == []
        if grows_depth(how):
            return


@pytest.mark.parametrize("how", hows())
def test_schedulers_and_weight_decay_exclusions_stay_valid(how: str) -> None:
    model = mlp()
    batch = batch_for(model)
    weights = [(n, p) for n, p in model.named_parameters() if p.ndim > 1]
    biases = [(n, p) for n, p in model.named_parameters() if p.ndim == 1]
    optimizer = AdamW(
        [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}], lr=0.1, betas=(0.8, 0.9)
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train(model, [optimizer], batch, 1)
    schedule.step()
    grow(model, [optimizer], how, batch)
    train(model, [optimizer], batch, 1)
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.025]
    decay, exempt = optimizer.param_groups
    assert decay["weight_decay"] == 0.1 and {p.ndim for p in decay["params"]} == {2}
    assert exempt["weight_decay"] == 0.0 and {p.ndim for p in exempt["params"]} == {1}
    assert len(decay["params"]) + len(exempt["params"]) == len(list(model.parameters()))


def test_the_checks_see_state_that_was_not_kept() -> None:
    """Negative control: zeroed old momenta, new momenta that are not 0, and a state that started anew."""
    model = mlp()
    batch = batch_for(model)
    optimizers = OPTIMIZERS["adam"](list(model.named_parameters()))
    train(model, optimizers, batch)
    before = state_by_name(model, optimizers)
    event = grow(model, optimizers, "zero", batch)
    good = state_by_name(model, optimizers)
    wrong = copy.deepcopy(good)
    wrong["first.weight"]["exp_avg"][0] = 0.0
    assert violations(before, wrong, event, 4) == ["first.weight: old slices of exp_avg changed"]
    wrong = copy.deepcopy(good)
    wrong["second.weight"]["exp_avg_sq"][:, -1] = 0.0
    assert violations(before, wrong, event, 4) == ["second.weight: new slices of exp_avg_sq are not as documented"]
    wrong = copy.deepcopy(good)
    wrong["head.bias"]["exp_avg"].add_(1e-6)
    assert violations(before, wrong, event, 4) == ["head.bias: exp_avg changed"]
    wrong = copy.deepcopy(good)
    wrong["first.bias"].clear()
    assert violations(before, wrong, event, 4) == [
        "first.bias: ['step', 'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] became []"
    ]

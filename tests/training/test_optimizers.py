from __future__ import annotations

import pytest
import torch
from torch import nn

from growsearch.config import ScheduleConfig
from growsearch.errors import InputError
from growsearch.optimizers import offered_names
from growsearch.training.optimizers import (
    build_optimizer,
    build_schedule,
    parameter_order,
    restore_order,
    set_learning_rate,
)
from tests.muon import needs_muon


@pytest.mark.parametrize("name", offered_names())
def test_every_optimizer_trains(name: str) -> None:
    model = nn.Linear(3, 2, bias=False)
    before = model.weight.detach().clone()
    optimizer = build_optimizer({"name": name, "lr": 0.1}, model)

    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()

    assert not model.weight.equal(before)


def test_options_reach_the_optimizer() -> None:
    config = {"name": "adamw", "lr": 0.01, "betas": [0.8, 0.9], "weight_decay": 0.3}

    (group,) = build_optimizer(config, nn.Linear(2, 2)).param_groups

    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.01, (0.8, 0.9), 0.3)


@needs_muon
def test_muon_refuses_what_is_no_matrix() -> None:
    with pytest.raises(InputError, match="muon trains matrices only, and bias has 1 dimension"):
        build_optimizer({"name": "muon", "lr": 0.1}, nn.Linear(2, 2))


def test_a_network_without_parameters_is_refused() -> None:
    with pytest.raises(InputError, match="no trainable parameters"):
        build_optimizer({"name": "sgd", "lr": 0.1}, nn.ReLU())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ScheduleConfig(), {0: 1.0, 99: 1.0}),
        (ScheduleConfig(name="wsd", warmup=0.1), {0: 1 / 11, 10: 1.0, 80: 1.0, 85: 0.5, 100: 0.0}),
        (ScheduleConfig(name="wsd", decay=0.4, final=0.1), {0: 1.0, 60: 1.0, 70: 0.55, 100: 0.1}),
        (ScheduleConfig(name="wsd", decay=0.0), {0: 1.0, 99: 1.0}),
        (ScheduleConfig(name="cosine"), {0: 1.0, 50: 0.5, 100: 0.0}),
        (ScheduleConfig(name="cosine", final=0.2), {0: 1.0, 50: 0.6, 100: 0.2}),
        (ScheduleConfig(name="cosine", warmup=0.1), {0: 1 / 11, 9: 10 / 11, 10: 1.0, 55: 0.5}),
        (ScheduleConfig(name="step", milestones=(0.5, 0.8), factor=0.1), {49: 1.0, 50: 0.1, 79: 0.1, 80: 0.01}),
    ],
)
def test_schedules(config: ScheduleConfig, expected: dict[int, float]) -> None:
    schedule = build_schedule(config, 100)

    assert {step: schedule(step) for step in expected} == pytest.approx(expected)


def test_the_learning_rate_is_a_multiple_of_each_groups_own() -> None:
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    optimizer = torch.optim.SGD([{"params": first.parameters(), "lr": 1.0}, {"params": second.parameters(), "lr": 0.5}])

    set_learning_rate(optimizer, 0.5)
    set_learning_rate(optimizer, 0.1)

    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.05])


def test_state_finds_its_parameters_in_another_order() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    grown = torch.optim.SGD([model[1].weight, model[0].weight], lr=1.0, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    grown.step()
    resumed = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)

    restore_order(resumed, model, parameter_order(grown, model))
    resumed.load_state_dict(grown.state_dict())

    for parameter in model.parameters():
        assert resumed.state[parameter]["momentum_buffer"].equal(grown.state[parameter]["momentum_buffer"])

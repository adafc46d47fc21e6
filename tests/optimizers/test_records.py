from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from growsearch.errors import InputError
from growsearch.optimizers import OptimizerRecord, offered_names, record_of
from growsearch.registry import lookup, names
from growsearch.surgery import supported_optimizer
from growsearch.training.optimizers import build_optimizer


def record(name: str) -> type[OptimizerRecord]:
    found: type[OptimizerRecord] = lookup("optimizers", name)
    return found


def trained(name: str, **options: object) -> tuple[nn.Module, Optimizer]:
    """A linear layer after two steps."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3, bias=False)
    optimizer = build_optimizer({"name": name, "lr": 0.1, **options}, model)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("name", offered_names())
def test_a_record_names_all_state_of_its_optimizer(name: str) -> None:
    model, optimizer = trained(name)
    assert record_of(optimizer) is record(name)
    shaped = {key for key, value in optimizer.state[model.weight].items() if getattr(value, "ndim", 0)}
    assert shaped <= set(record(name).state)
    assert supported_optimizer(optimizer) is None
    assert record(name).summary and record(name).source and record(name).state


@pytest.mark.parametrize("name", sorted(set(names("optimizers")) - set(offered_names())))
def test_what_cannot_follow_a_growth_says_why(name: str) -> None:
    optimizer = record(name).kind([nn.Parameter(torch.zeros(2, 2))])  # type: ignore[call-arg]
    assert record_of(optimizer) is record(name)
    assert str(record(name).refused) in str(supported_optimizer(optimizer))


def test_a_state_that_the_record_does_not_name_is_seen() -> None:
    """Negative control."""
    model, optimizer = trained("sgd", momentum=0.9)
    optimizer.state[model.weight]["other"] = torch.zeros(3, 4)
    assert "unknown state 'other'" in str(supported_optimizer(optimizer))


def test_the_nearest_record_of_a_class_that_extends_several_is_taken() -> None:
    class Mine(AdamW):
        pass

    assert record_of(Mine([nn.Parameter(torch.zeros(2))])) is record("adamw")
    assert record_of(SGD([nn.Parameter(torch.zeros(2))], lr=0.1)) is record("sgd")


def test_the_state_before_the_first_step_is_the_optimizers_own() -> None:
    parameter = nn.Parameter(torch.ones(2, 3))
    for name in offered_names():
        optimizer = record(name)(lr=0.1).build({"weight": parameter})
        own = optimizer.state.get(parameter, {})
        made = record(name).first_state(parameter, optimizer.param_groups[0])
        assert own.keys() == made.keys() and all(torch.equal(own[key], made[key]) for key in own)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InputError, match="nesterov needs a momentum above 0"):
        trained("sgd", nesterov=True)
    with pytest.raises(InputError, match="optimizer 'adam': unknown parameter 'momentum'"):
        trained("adam", momentum=0.9)

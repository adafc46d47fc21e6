"""Every parameter that growing replaces is in an optimizer that follows, or is said to be in none."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from growsearch import Grower, InputError, SoftGrower
from tests.growth.tasks import grower_for, mlp, sgd


def test_parameters_of_an_optimizer_that_is_not_given_are_named() -> None:
    model = mlp()
    first, rest = torch.optim.SGD(model.first.parameters()), torch.optim.SGD([*model.second.parameters()])

    with pytest.raises(InputError, match=r"no optimizer that was given holds 'second.weight', 'second.bias', 'head"):
        grower_for(model, first)
    with pytest.raises(InputError, match=r"holds 'head.weight': .* optimizer=\[\.\.\.\]; .* frozen=\[\.\.\.\]"):
        grower_for(model, [first, rest])
    grower_for(model, [first, rest, torch.optim.SGD(model.head.parameters())])


def test_an_optimizer_of_another_model_is_refused() -> None:
    with pytest.raises(InputError, match="SGD holds no parameter of this model: it belongs to another model"):
        grower_for(mlp(), sgd(mlp()))
    model = mlp()
    with pytest.raises(InputError, match="SGD holds no parameter of this model"):
        grower_for(model, [torch.optim.SGD(model.first.parameters()), sgd(mlp())])


def test_what_is_frozen_or_needs_no_gradient_or_is_of_no_site_is_not_asked_for() -> None:
    model = mlp()
    optimizer = torch.optim.SGD([*model.first.parameters(), *model.second.parameters()])

    grower_for(model, optimizer, frozen=["head.*"])
    grower_for(model, optimizer, sites=["first"])
    model.head.requires_grad_(False)
    grower_for(model, optimizer)


def test_a_pattern_that_matches_nothing_is_told() -> None:
    with pytest.raises(InputError, match=r"frozen: 'haed.\*' matches no parameter"):
        grower_for(mlp(), frozen=["haed.*"])


def test_parameters_of_blocks_are_asked_for_too() -> None:
    blocks = [nn.Sequential(OrderedDict(a=nn.Linear(4, 4), act=nn.ReLU(), b=nn.Linear(4, 4))) for _ in range(3)]
    model = nn.Sequential(OrderedDict(blocks=nn.Sequential(*blocks), head=nn.Linear(4, 2)))
    optimizer = torch.optim.SGD(model.head.parameters())

    with pytest.raises(InputError, match=r"holds 'blocks.0.a.weight'.* and 7 more"):
        Grower(model, optimizer, torch.randn(3, 4), when="never", how={"stack": {}})


def test_trained_sizes_ask_for_the_same() -> None:
    model = mlp()
    optimizer = torch.optim.SGD([*model.first.parameters(), *model.second.parameters()])
    with pytest.raises(InputError, match=r"no optimizer that was given holds 'head.weight'"):
        SoftGrower(model, optimizer, torch.randn(3, 4))
    SoftGrower(model, optimizer, torch.randn(3, 4), frozen=["head.weight"])

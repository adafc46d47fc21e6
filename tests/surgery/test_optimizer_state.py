"""Law 5: old slices of the optimizer's state bit for bit, new ones as documented, schedulers and groups intact."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
)
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from growsearch.errors import GrowthRefused
from growsearch.optimizers.adam import Adam as AdamRecord
from growsearch.optimizers.rmsprop import RMSprop as RMSpropRecord
from growsearch.optimizers.sgd import SGD as SGDRecord
from growsearch.surgery import AxisEdit, Transaction, apply_edits, embed_state, supported_optimizer
from tests.muon import needs_muon, without_muon

OPTIMIZERS = {
    "sgd": lambda p: SGD(p, 0.01, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda p: SGD(p, 0.01, momentum=0.9, nesterov=True, foreach=True),
    "sgd fused": lambda p: SGD(p, 0.01, momentum=0.9, fused=True),
    "sgd plain": lambda p: SGD(p, 0.01),
    "adam": lambda p: Adam(p, 0.01),
    "adam amsgrad": lambda p: Adam(p, 0.01, amsgrad=True, foreach=True),
    "adamw fused": lambda p: AdamW(p, 0.01, fused=True, amsgrad=True),
    "rmsprop": lambda p: RMSprop(p, 0.01, centered=True, momentum=0.9),
    "rmsprop foreach": lambda p: RMSprop(p, 0.01, centered=True, momentum=0.9, foreach=True),
    "adagrad": lambda p: Adagrad(p, 0.01),
    "adagrad fused": lambda p: Adagrad(p, 0.01, fused=True),
    "nadam": lambda p: NAdam(p, 0.01),
    "nadam foreach": lambda p: NAdam(p, 0.01, foreach=True),
    "radam": lambda p: RAdam(p, 0.01),
    "adamax": lambda p: Adamax(p, 0.01),
    "adadelta": lambda p: Adadelta(p, 0.5),
    "rprop": lambda p: Rprop(p, 0.01),
    "muon": lambda p: torch.optim.Muon([each for each in p if each.ndim == 2], 0.01),
}
SECOND_MOMENTS = {"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "exp_inf", "acc_delta", "step_size"}
# Muon scales its steps by the shape of the matrix and orthogonalises in bfloat16.
TOLERANCE = {"muon": 2e-3}


def make_network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def train(model: nn.Module, optimizer: Optimizer, steps: int, scheduler=None, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        model(torch.randn(16, 6, generator=generator)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if scheduler is not None:
            scheduler.step()


def widen(units: int = 3) -> list[AxisEdit]:
    """New units behind zero weights on both sides: inert, so old weights must move as if there were none."""
    source = (*range(8), *[-1] * units)
    return [AxisEdit("0.weight", 0, source), AxisEdit("0.bias", 0, source), AxisEdit("2.weight", 1, source)]


@pytest.fixture(params=without_muon(OPTIMIZERS), ids=lambda name: name.replace(" ", "-"))
def name(request) -> str:
    return request.param


@pytest.fixture
def trained(name) -> tuple[nn.Sequential, Optimizer]:
    model = make_network()
    optimizer = OPTIMIZERS[name](list(model.parameters()))
    train(model, optimizer, 5)
    return model, optimizer


def test_old_state_is_kept_bit_for_bit_and_new_state_starts_as_documented(trained):
    model, optimizer = trained
    before = {key: copy.deepcopy(optimizer.state.get(model.get_parameter(key))) for key in ("0.weight", "2.weight")}
    apply_edits(model, widen(), optimizer)
    for (key, old), axis in zip(before.items(), (0, 1), strict=True):
        new = optimizer.state.get(model.get_parameter(key))
        assert (old is None) == (new is None)
        for entry, value in (old or {}).items():
            if not isinstance(value, torch.Tensor) or value.ndim == 0:
                assert new[entry] == value
                continue
            assert new[entry].shape == model.get_parameter(key).shape
            assert torch.equal(new[entry].narrow(axis, 0, 8), value)
            wanted = value.mean(axis, keepdim=True) if entry in SECOND_MOMENTS else torch.zeros(1)
            fresh = new[entry].narrow(axis, 8, 3)
            assert torch.equal(fresh, wanted.expand_as(fresh))


def test_old_weights_move_as_in_a_run_that_did_not_grow(name, trained):
    model, optimizer = trained
    ungrown, its_optimizer = copy.deepcopy((model, optimizer))
    apply_edits(model, widen(), optimizer)
    for each, its in ((model, optimizer), (ungrown, its_optimizer)):
        train(each, its, 1, seed=9)
    close = {"rtol": 0.0, "atol": TOLERANCE.get(name, 1e-6)}
    assert torch.allclose(model[0].weight[:8], ungrown[0].weight, **close)
    assert torch.allclose(model[2].weight[:, :8], ungrown[2].weight, **close)
    # The control: without its state, the first update is another one.
    anew = OPTIMIZERS[name](list(ungrown.parameters()))
    if name != "sgd plain":
        train(model, optimizer, 1, seed=10)
        train(ungrown, anew, 1, seed=10)
        assert not torch.allclose(model[0].weight[:8], ungrown[0].weight, **close)


def test_the_optimizer_holds_exactly_the_parameters_of_the_model(name, trained):
    model, optimizer = trained
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    apply_edits(model, widen(), optimizer)
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    own = {id(parameter) for parameter in model.parameters() if name != "muon" or parameter.ndim == 2}
    assert len(held) == count and {id(parameter) for parameter in held} == own
    assert {id(parameter) for parameter in optimizer.state} <= own
    train(model, optimizer, 2)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(model, optimizer, 1)


@pytest.mark.parametrize(
    "make",
    [lambda o: CosineAnnealingLR(o, 20), lambda o: OneCycleLR(o, 0.05, total_steps=20)],
    ids=["cosine", "onecycle"],
)
def test_schedulers_continue(make):
    rates = []
    for grow in (False, True):
        model = make_network()
        optimizer = SGD(model.parameters(), 0.01, momentum=0.9)
        scheduler = make(optimizer)
        train(model, optimizer, 5, scheduler)
        if grow:
            apply_edits(model, widen(), optimizer)
        own = []
        for _ in range(10):
            train(model, optimizer, 1, scheduler)
            own.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        rates.append(own)
    assert rates[0] == rates[1]


def test_groups_and_names_survive():
    model = make_network()
    named = dict(model.named_parameters())
    optimizer = AdamW(
        [
            {"params": [(name, each) for name, each in named.items() if each.ndim > 1], "weight_decay": 0.1},
            {
                "params": [(name, each) for name, each in named.items() if each.ndim == 1],
                "weight_decay": 0.0,
                "lr": 0.5,
            },
        ]
    )
    groups = [group for group in optimizer.param_groups]
    train(model, optimizer, 2)
    apply_edits(model, widen(), optimizer)
    assert [id(group) for group in groups] == [id(group) for group in optimizer.param_groups]
    assert [(group["weight_decay"], group["lr"]) for group in groups] == [(0.1, 1e-3), (0.0, 0.5)]
    for group in groups:
        for name, parameter in zip(group["param_names"], group["params"], strict=True):
            assert model.get_parameter(name) is parameter


def test_copies_of_a_unit_take_its_second_moments_and_no_momentum():
    state = {"step": torch.tensor(3.0), "exp_avg": torch.tensor([1.0, 2.0]), "exp_avg_sq": torch.tensor([4.0, 8.0])}
    grown = embed_state(state, (2,), [AxisEdit("w", 0, (0, 1, 0, -1), scale=(0.5, 1.0, 0.5, 1.0))], AdamRecord.state)
    assert grown["exp_avg"].tolist() == [1, 2, 0, 0]
    assert grown["exp_avg_sq"].tolist() == [4, 8, 4, 6 - 2 / 3 + 2 / 3]
    assert grown["step"] is state["step"]
    assert state["exp_avg"].tolist() == [1, 2]


def test_removed_units_take_their_state_with_them():
    grown = embed_state({"momentum_buffer": torch.arange(4.0)}, (4,), [AxisEdit("w", 0, (0, 3))], SGDRecord.state)
    assert grown["momentum_buffer"].tolist() == [0, 3]


def test_the_corner_of_two_new_axes_has_the_mean_of_all_second_moments():
    state = {"square_avg": torch.tensor([[1.0, 3.0], [5.0, 7.0]])}
    edits = [AxisEdit("w", 0, (0, 1, -1)), AxisEdit("w", 1, (0, 1, -1))]
    grown = embed_state(state, (2, 2), edits, RMSpropRecord.state)
    assert grown["square_avg"].tolist() == [
        [1, 3, 2],
        [5, 7, 6],
        [3, 5, 4],
    ]


@needs_muon
def test_several_optimizers_follow():
    model = make_network()
    matrices, vectors = ([each for each in model.parameters() if each.ndim == dims] for dims in (2, 1))
    optimizers = [torch.optim.Muon(matrices, 0.01), AdamW(vectors)]
    train(model, optimizers[0], 1)
    model.zero_grad()
    apply_edits(model, widen(), optimizers)
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in model.parameters()}


class Lion(Optimizer):
    def __init__(self, params):
        super().__init__(params, {"lr": 0.1})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Adafactor, "Adafactor: it keeps second moments by rows and columns"),
        (LBFGS, "LBFGS: its history is of all weights together"),
        (ASGD, "ASGD: its running average of the weights has no value for new ones"),
        (Lion, "Lion keeps state whose layout is not known: write a record .* group growsearch.optimizers"),
    ],
    ids=["Adafactor", "LBFGS", "ASGD", "unknown"],
)
def test_other_optimizers_are_refused_before_anything_changes(make, reason):
    model = make_network()
    optimizer, weight = make(model.parameters()), model[0].weight
    with pytest.raises(GrowthRefused, match=f"{reason}.*; supported are adadelta"):
        apply_edits(model, widen(), optimizer)
    assert model[0].weight is weight


def test_an_optimizer_that_extends_a_known_one_has_its_record():
    class Mine(AdamW):
        pass

    assert supported_optimizer(Mine(make_network().parameters())) is None


def test_unknown_state_is_refused():
    model = make_network()
    optimizer = SGD(model.parameters(), 0.1)
    assert supported_optimizer(optimizer) is None
    optimizer.state[model[0].weight]["curvature"] = torch.ones(8, 6)
    assert "unknown state 'curvature'" in str(supported_optimizer(optimizer))
    optimizer.state[model[0].weight] = {"momentum_buffer": torch.ones(3)}
    assert "of shape (3,) for a parameter of shape (8, 6)" in str(supported_optimizer(optimizer))


def test_a_count_of_steps_does_not_hide_what_comes_behind_it():
    model = make_network()
    optimizer = AdamW(model.parameters())
    optimizer.state[model[0].weight] = {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}
    assert "'exp_avg' of shape (3,) for a parameter of shape (8, 6)" in str(supported_optimizer(optimizer))


def test_growth_between_backward_and_step_is_refused():
    model = make_network()
    optimizer = SGD(model.parameters(), 0.1)
    model(torch.randn(2, 6)).sum().backward()
    with pytest.raises(GrowthRefused, match="between steps"), Transaction(model, optimizer) as transaction:
        transaction.apply(widen())
    assert model[0].weight.shape == (8, 6)
    optimizer.zero_grad(set_to_none=False)
    apply_edits(model, widen(), optimizer)
    assert model[0].weight.shape == (11, 6)

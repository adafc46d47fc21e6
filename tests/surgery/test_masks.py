"""Masks of dormant connections follow every edit, and hold under every optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from growsearch import GrowthRefused, grow, trace
from growsearch.surgery import (
    AxisEdit,
    Insertion,
    MaskEdit,
    Transaction,
    active_parameters,
    apply_edits,
    apply_masks,
    masks_of,
    site_edits,
)
from tests.growth.tasks import batch_for, cnn, mlp, objective
from tests.surgery.masked import sparsify

OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "sgd": lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda m: Adam(m.parameters(), lr=0.01, weight_decay=0.01),
    "adamw": lambda m: AdamW(m.parameters(), lr=0.01),
}


def train(model: nn.Module, optimizer: Optimizer, steps: int = 3) -> None:
    for seed in range(steps):
        objective(model, batch_for(model, seed=seed)).backward()
        optimizer.step()
        optimizer.zero_grad()
        apply_masks(model, optimizer)


def dormant_values(model: nn.Module) -> Tensor:
    parameters = dict(model.named_parameters())
    return torch.cat([parameters[name][~mask] for name, mask in masks_of(model).items()])


def test_connections_that_sleep_are_zero_and_still_get_a_gradient() -> None:
    model = mlp(act=nn.Tanh)
    before = model[2].weight.detach().clone()

    apply_edits(model, [MaskEdit("second.weight", prune=torch.tensor([1, 7]))])

    weight, mask = model[2].weight, model[2].weight_mask
    expected = before.flatten()
    expected[[1, 7]] = 0.0
    assert torch.equal(weight.flatten(), expected) and mask.sum() == weight.numel() - 2
    objective(model, batch_for(model)).backward()
    assert weight.grad is not None and weight.grad.flatten()[[1, 7]].count_nonzero() == 2
    model.zero_grad()
    apply_edits(model, [MaskEdit("second.weight", regrow=torch.tensor([7]))])
    assert model[2].weight_mask.flatten()[[1, 7]].tolist() == [False, True]
    assert model[2].weight.flatten()[7] == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_dormant_weights_stay_zero_with_their_momenta(name: str) -> None:
    model = mlp(act=nn.Tanh)
    optimizer = OPTIMIZERS[name](model)
    train(model, optimizer)
    sparsify(model, optimizer=optimizer)

    train(model, optimizer, steps=4)

    dormant = dormant_values(model)
    assert len(dormant) > 20 and not dormant.count_nonzero()
    momenta = 0
    for parameter_name, mask in masks_of(model).items():
        state = optimizer.state[model.get_parameter(parameter_name)]
        for key in ("momentum_buffer", "exp_avg"):
            if key in state:
                momenta += 1
                assert not state[key][~mask].count_nonzero() and state[key][mask].count_nonzero()
        if "exp_avg_sq" in state:
            assert (state["exp_avg_sq"][~mask] > 0).all()
    assert momenta == 3


def test_without_holding_weights_dormant_connections_would_wake() -> None:
    """Negative control."""
    model = sparsify(mlp())
    optimizer = OPTIMIZERS["adam"](model)
    objective(model, batch_for(model)).backward()
    optimizer.step()
    assert dormant_values(model).count_nonzero()


@pytest.mark.parametrize("build", [mlp, cnn])
def test_widening_keeps_the_masks_and_new_connections_are_alive(build: Callable[[], nn.Sequential]) -> None:
    model = sparsify(build())
    old = {name: mask.clone() for name, mask in masks_of(model).items()}
    batch = batch_for(model)

    grow(model, batch[0], dict.fromkeys(trace(model, batch[0]).sites, 2), "random", batches=[batch])

    grown = masks_of(model)
    for name, mask in old.items():
        kept = grown[name][tuple(slice(0, size) for size in mask.shape)]
        rest = grown[name].sum() - kept.sum()
        if name != "head.weight" or build is mlp:  # behind a flatten, the positions of new units follow as well
            assert torch.equal(kept, mask)
        assert rest == grown[name].numel() - mask.numel() if name != "head.weight" else rest > 0
    assert not dormant_values(model).count_nonzero()


def test_a_split_copies_the_mask_of_its_unit() -> None:
    model = sparsify(mlp())
    site = trace(model, batch_for(model)[0]).sites["first"]
    incoming, outgoing = model[0].weight_mask.clone(), model[2].weight_mask.clone()

    apply_edits(model, site_edits(site, [0, 1, 2, 3, 2]))

    order = [0, 1, 2, 3, 2]
    assert torch.equal(model[0].weight_mask, incoming[order])
    assert torch.equal(model[2].weight_mask, outgoing[:, order])


def test_removal_takes_the_mask_along() -> None:
    model = sparsify(mlp())
    site = trace(model, batch_for(model)[0]).sites["second"]
    incoming, outgoing = model[2].weight_mask.clone(), model[4].weight_mask.clone()

    apply_edits(model, site_edits(site, [0, 2, 5]))

    assert torch.equal(model[2].weight_mask, incoming[[0, 2, 5]])
    assert torch.equal(model[4].weight_mask, outgoing[:, [0, 2, 5]])


def test_both_sides_of_a_weight_at_once() -> None:
    """Two sites meet in second.weight: what is new along both axes is alive too."""
    model = sparsify(mlp())
    old = model[2].weight_mask.clone()

    apply_edits(
        model,
        [
            AxisEdit("second.weight", 0, (*range(6), -1)),
            AxisEdit("second.weight", 1, (*range(4), -1)),
            AxisEdit("first.weight", 0, (*range(4), -1)),
            AxisEdit("first.bias", 0, (*range(4), -1)),
            AxisEdit("second.bias", 0, (*range(6), -1)),
            AxisEdit("head.weight", 1, (*range(6), -1)),
        ],
    )

    mask = model[2].weight_mask
    assert torch.equal(mask[:6, :4], old)
    assert mask[6].all() and mask[:, 4].all()


def test_sparse_new_positions_are_alive_where_they_hold_something() -> None:
    model = sparsify(mlp())
    row = torch.tensor([[0.0, 1.0, 0.0, -2.0]])

    apply_edits(
        model,
        [
            AxisEdit("first.weight", 0, (*range(4), -1), row, sparse=True),
            AxisEdit("first.bias", 0, (*range(4), -1)),
            AxisEdit("second.weight", 1, (*range(4), -1), torch.zeros(6, 1)),
        ],
    )

    assert model[0].weight_mask[4].tolist() == [False, True, False, True]
    assert torch.equal(model[0].weight[4], row[0])
    assert model[2].weight_mask[:, 4].all()


def test_mask_and_axis_edits_go_together_in_the_coordinates_of_before() -> None:
    model = mlp()
    site = trace(model, batch_for(model)[0]).sites["first"]

    apply_edits(model, [*site_edits(site, [1, 3]), MaskEdit("first.weight", prune=torch.tensor([4, 13]))])

    assert model[0].weight_mask.tolist() == [[False, True, True, True], [True, False, True, True]]
    assert active_parameters(model) == sum(p.numel() for p in model.parameters()) - 2


def test_insertions_rename_masks() -> None:
    model = sparsify(mlp())
    batch = batch_for(model)
    before = [mask.clone() for mask in masks_of(model).values()]

    apply_edits(model, [Insertion("second", "residual", 6, 0, 1)])

    assert list(masks_of(model)) == ["first.weight", "second.0.weight", "head.weight"]
    assert all(torch.equal(a, b) for a, b in zip(before, masks_of(model).values(), strict=True))
    assert trace(model, batch[0]).sites


def test_companions_and_rollback() -> None:
    model = mlp()
    optimizer = OPTIMIZERS["adam"](model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    train(model, optimizer)
    average.update_parameters(model)
    sparsify(model, 0.3, optimizer, companions=[average])
    assert torch.equal(average.module[2].weight_mask, model[2].weight_mask)
    assert average.module[2].weight_mask is not model[2].weight_mask
    assert not dormant_values(average.module).count_nonzero()
    own = (dict(model.named_parameters()), dict(model.named_buffers()), dict(average.named_buffers()))
    values, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())

    with Transaction(model, optimizer, [average]) as transaction:
        site = trace(model, batch_for(model)[0]).sites["first"]
        transaction.apply([*site_edits(site, [0, 1, 2, 3, -1]), MaskEdit("head.weight", prune=torch.arange(9))])
        assert model[2].weight_mask.shape == (6, 5)
        transaction.rollback()

    assert all(model.get_parameter(name) is p for name, p in own[0].items())
    assert all(model.get_buffer(name) is b for name, b in own[1].items())
    assert all(average.get_buffer(name) is b for name, b in own[2].items())
    assert all(torch.equal(values[name], value) for name, value in model.state_dict().items())
    for index, each in optimizer.state_dict()["state"].items():
        assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(state["state"][index][k])) for k, v in each.items())


@pytest.mark.parametrize("channels", [1, 3])
def test_positions_are_those_of_the_contiguous_tensor(channels: int) -> None:
    model = nn.Sequential(nn.Conv2d(channels, 4, 3)).to(memory_format=torch.channels_last)
    apply_edits(model, [MaskEdit("0.weight", prune=torch.tensor([1, 10]))])
    apply_edits(model, [MaskEdit("0.weight", regrow=torch.tensor([1]))])
    expected = torch.ones(36 * channels, dtype=torch.bool)
    expected[10] = False
    assert torch.equal(model[0].weight_mask.flatten(), expected)
    assert torch.equal(model[0].weight.flatten() == 0, ~expected | (torch.arange(36 * channels) == 1))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_new_mask_is_taken_back() -> None:
    model = mlp()
    with Transaction(model) as transaction:
        transaction.apply([MaskEdit("first.weight", prune=torch.tensor([0]))])
        transaction.rollback()
    assert not masks_of(model) and "first.weight_mask" not in model.state_dict()


def test_tied_weights_have_one_mask() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight

    apply_edits(model, [MaskEdit("2.weight", prune=torch.tensor([0, 1]))])

    assert set(masks_of(model)) == {"0.weight", "2.weight"}
    assert list(dict(model.named_buffers())) == ["0.weight_mask"]
    assert active_parameters(model) == 4 * 4 + 8 - 2
    assert model[0].weight is model[2].weight and model[2].weight.flatten()[:2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (MaskEdit("first.bias", prune=torch.tensor([0])), "no connections"),
        (MaskEdit("first.weight", prune=torch.tensor([16])), "positions 0 to 15"),
        (MaskEdit("first.weight", regrow=torch.tensor([3]), prune=torch.tensor([3])), "changed twice"),
        (MaskEdit("nothing.weight", prune=torch.tensor([3])), "no parameter or buffer"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edit: MaskEdit, words: str) -> None:
    model = mlp()
    with pytest.raises(GrowthRefused, match=words):
        apply_edits(model, [edit])
    assert not masks_of(model)

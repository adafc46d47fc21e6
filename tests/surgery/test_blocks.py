"""Copies of blocks: names, order, numbers, optimizer state, companions, undoing."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from growsearch.errors import GrowthRefused
from growsearch.surgery import (
    BlockInsertion,
    Insertion,
    Transaction,
    apply_edits,
    carried_attributes,
    deepening_of,
    origin,
    rebuild,
    rename,
)
from growsearch.testing.subjects import CHAIN, objective
from growsearch.testing.training import same


def insertion(*copies: tuple[int, int], **more: Any) -> BlockInsertion:
    return BlockInsertion("blocks", "", 0, 2, copies, **more)


def trained(model: nn.Module) -> AdamW:
    decayed = [(n, p) for n, p in model.named_parameters() if p.ndim > 1]
    others = [(n, p) for n, p in model.named_parameters() if p.ndim < 2]
    optimizer = AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}])
    torch.autograd.backward(objective(model, CHAIN.batch()))
    optimizer.step()
    optimizer.zero_grad()
    return optimizer


def test_stacked_blocks_are_those_built_by_hand_bit_for_bit() -> None:
    model, by_hand = CHAIN.model(), CHAIN.model()
    apply_edits(model, [insertion((1, 0), (1, 1))])
    first, second = by_hand.blocks
    by_hand.blocks = nn.ModuleList([first, second, copy.deepcopy(first), copy.deepcopy(second)])
    inputs = CHAIN.batch()[0]

    assert same(dict(model.state_dict()), dict(by_hand.state_dict()))
    assert torch.equal(model(inputs), by_hand(inputs))


def test_a_copy_shares_no_tensor_and_what_is_zeroed_is_zero_there_alone() -> None:
    model = CHAIN.model()
    old = list(model.blocks)
    apply_edits(model, [insertion((0, 1), zeroed=("down.weight",))])
    blocks = list(model.blocks)

    assert blocks[0] is old[0] and blocks[2] is old[1]
    assert not {p.data_ptr() for p in blocks[1].parameters()} & {p.data_ptr() for p in blocks[2].parameters()}
    assert torch.equal(blocks[1].up.weight, blocks[2].up.weight)
    assert not blocks[1].down.weight.any() and blocks[2].down.weight.all()


def test_names_follow() -> None:
    edits = [insertion((0, 0), (0, 1))]

    assert [rename(f"blocks.{i}.up.weight", edits) for i in range(3)] == [f"blocks.{i}.up.weight" for i in (0, 3, 4)]
    assert [origin(f"blocks.{i}.up.weight", edits) for i in range(5)] == [
        f"blocks.{i}.up.weight" for i in (0, 0, 1, 1, 2)
    ]
    assert rename("blocks.1.attention.value[1]", edits) == "blocks.3.attention.value[1]"
    assert rename("blocksize.1", edits) == "blocksize.1"
    assert origin("stem.1.weight", [Insertion("stem", "residual", 4, 0, 1)]) is None
    assert carried_attributes({"blocks.1.heads": 3}, edits) == {"blocks.3.heads": 3, "blocks.2.heads": 3}


@pytest.mark.parametrize("state", ["copied", "reset"])
def test_optimizer_state_is_as_documented(state: str) -> None:
    model = CHAIN.model()
    optimizer = trained(model)
    before = copy.deepcopy({n: optimizer.state[p] for n, p in model.named_parameters()})
    apply_edits(model, [insertion((0, 0), state=state)], optimizer)

    held = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert held.keys() == {id(p) for p in model.parameters()}
    for group in optimizer.param_groups:
        named = dict(model.named_parameters())
        assert all(named[n] is p for n, p in zip(group["param_names"], group["params"], strict=True))
    for name, parameter in model.blocks[1].named_parameters():
        assert held[id(parameter)]["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
        assert same(optimizer.state.get(parameter, {}), before[f"blocks.0.{name}"] if state == "copied" else {})
    for name, old in before.items():
        assert same(optimizer.state[model.get_parameter(rename(name, [insertion((0, 0))]))], old)


def test_a_block_that_is_not_trained_has_copies_that_are_not() -> None:
    model = CHAIN.model()
    model.blocks[0].requires_grad_(False)
    optimizer = AdamW(p for p in model.parameters() if p.requires_grad)
    apply_edits(model, [insertion((0, 0), (1, 1))], optimizer)

    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert [p.requires_grad for p in model.blocks[1].parameters()] == [False] * 6
    assert held == {id(p) for p in model.parameters() if p.requires_grad}


def test_a_companion_copies_its_own_blocks() -> None:
    model = CHAIN.model()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    with torch.no_grad():
        average.module.blocks[0].up.weight.add_(1.0)
    apply_edits(model, [insertion((0, 0), zeroed=("down.bias",))], companions=[average])

    blocks = average.module.blocks
    assert torch.equal(blocks[1].up.weight, blocks[0].up.weight) and not blocks[1].down.bias.any()
    average.update_parameters(model)


def test_undoing_brings_back_everything() -> None:
    model = CHAIN.model()
    optimizer = trained(model)
    children, tensors = list(model.blocks), [(p, p.clone()) for p in model.parameters()]
    groups = copy.deepcopy(optimizer.state_dict())
    with Transaction(model, optimizer) as transaction:
        transaction.apply([insertion((0, 1), (1, 1), scaled=("down.weight",), factor=0.5)])
        assert len(model.blocks) == 4
        transaction.rollback()

    assert list(model.blocks) == children
    assert all(p is old and torch.equal(p, v) for p, (old, v) in zip(model.parameters(), tensors, strict=True))
    assert same(optimizer.state_dict(), groups)


def test_a_factor_scales_old_blocks_and_copies() -> None:
    model = CHAIN.model()
    weight = model.blocks[0].down.weight.detach().clone()
    apply_edits(model, [insertion((0, 0), scaled=("down.weight",), factor=0.5)])

    assert all(torch.equal(model.blocks[i].down.weight, 0.5 * weight) for i in (0, 1))


def test_a_network_is_rebuilt_from_plain_data() -> None:
    model = CHAIN.model()
    edits = [insertion((0, 0)), BlockInsertion("blocks", "", 0, 3, ((2, 0), (2, 1)))]
    for edit in edits:
        apply_edits(model, [edit])
    plain = [{**edit.__dict__, "copies": [list(pair) for pair in edit.copies]} for edit in edits]

    again = rebuild(CHAIN.build(), [deepening_of(each) for each in plain], model.state_dict())

    assert same(dict(again.state_dict()), dict(model.state_dict()))


class Numbered(nn.Module):
    """A block that knows its place and shares a configuration with all others."""

    def __init__(self, place: int, config: Any) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.inner.layer_idx = place
        self.config = config

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_hidden_layers=3, layer_types=["a", "b", "c"], width=3)
        self.layers = nn.ModuleList([Numbered(place, self.config) for place in range(3)])
        self.depth = 3

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[: self.config.num_hidden_layers]:
            x = layer(x)
        return x


def test_numbers_of_blocks_follow() -> None:
    model = Counting()
    apply_edits(model, [BlockInsertion("layers", "", 0, 3, ((0, 0), (2, 1)))])

    assert [layer.inner.layer_idx for layer in model.layers] == list(range(5))
    assert (model.config.num_hidden_layers, model.depth, model.config.width) == (5, 5, 3)
    assert model.config.layer_types == ["a", "a", "b", "c", "b"]
    assert all(layer.config is model.config for layer in model.layers)


def test_a_run_inside_a_container_moves_what_is_behind_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Numbered(0, None), Numbered(1, None), nn.Linear(4, 2))
    apply_edits(model, [BlockInsertion("", "", 1, 2, ((1, 0),))])

    assert [type(child).__name__ for child in model] == ["Linear", "Numbered", "Numbered", "Numbered", "Linear"]
    assert list(dict(model.named_children())) == list("01234")
    assert rename("3.weight", [BlockInsertion("", "", 1, 2, ((1, 0),))]) == "4.weight"


def test_children_with_a_word_before_their_number_count_on() -> None:
    model = torchvision.models.VisionTransformer(8, 4, 2, 2, 4, 6, num_classes=2)
    apply_edits(model, [BlockInsertion("encoder.layers", "encoder_layer_", 0, 2, ((0, 0),))])

    assert list(model.encoder.layers._modules) == [f"encoder_layer_{index}" for index in range(3)]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (BlockInsertion("nothing", "", 0, 2, ((0, 0),)), "no container of blocks 'nothing'"),
        (BlockInsertion("blocks", "", 0, 3, ((0, 0),)), "has no blocks"),
        (BlockInsertion("blocks", "", 0, 2, ((0, 2),)), "has blocks 0 to 1, found 2"),
        (BlockInsertion("blocks", "", 0, 2, ((0, 0),), zeroed=("down.wight",)), "no parameter 'down.wight'"),
    ],
)
def test_what_does_not_fit_is_refused(edit: BlockInsertion, message: str) -> None:
    model = CHAIN.model()
    with pytest.raises(GrowthRefused, match=message):
        apply_edits(model, [edit])
    assert len(model.blocks) == 2

"""Law 8: a growth that fails at any stage leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel

from growsearch.surgery import (
    Insertion,
    Transaction,
    attributes,
    insertion,
    journal,
    optimizer,
    site_edits,
    transaction,
)


class Snapshot:
    """What must be the same: objects by identity, values bit for bit, attributes by value."""

    def __init__(self, model: nn.Module, adam: AdamW) -> None:
        self.objects = [model, adam]  # held, so that an `id` means one object
        modules = dict(model.named_modules(remove_duplicate=False))
        tensors = {(n, k): t for n, m in modules.items() for k, t in {**m._parameters, **m._buffers}.items()}
        states = {parameter: dict(state) for parameter, state in adam.state.items()}
        self.keep = [modules, tensors, states]
        self.values = {name: copy.deepcopy(t) for name, t in tensors.items()}
        self.state_values = [copy.deepcopy(state) for state in states.values()]
        self.identities = (
            [(name, id(module)) for name, module in modules.items()],
            [(name, id(tensor)) for name, tensor in tensors.items()],
            [(id(group), id(group["params"]), list(map(id, group["params"]))) for group in adam.param_groups],
            [(id(parameter), id(adam.state[parameter])) for parameter in states],
            [[(key, id(value)) for key, value in state.items()] for state in states.values()],
        )
        self.attributes = [
            {k: v for k, v in vars(module).items() if isinstance(v, int | bool | tuple | str)}
            for module in modules.values()
        ]
        self.groups = [{k: v for k, v in group.items() if k != "params"} for group in adam.param_groups]
        self.groups = copy.deepcopy(self.groups)

    def assert_same(self, other: Snapshot) -> None:
        assert self.identities == other.identities
        assert self.attributes == other.attributes
        assert self.groups == other.groups
        assert self.values.keys() == other.values.keys()
        assert all(torch.equal(self.values[name], other.values[name]) for name in self.values)
        for one, two in zip(self.state_values, other.state_values, strict=True):
            assert all(torch.equal(one[key], two[key]) for key in one)


class Injected(Exception):
    pass


def failing_after(calls: int, function: Callable) -> Callable:
    """`function`, which raises instead of being called once more than `calls` times."""
    made = 0

    def wrapped(*args, **kwargs):
        nonlocal made
        made += 1
        if made > calls:
            raise Injected
        return function(*args, **kwargs)

    return wrapped


STAGES = {
    "reindex the first tensor": (transaction, "reindex", 0),
    "reindex in the middle": (transaction, "reindex", 7),
    "reindex of a companion": (transaction, "reindex", 14),
    "embed the state": (optimizer, "embed_state", 0),
    "embed the state in the middle": (optimizer, "embed_state", 5),
    "put a tensor in its place": (journal.Journal, "set_item", 11),
    "move a state": (journal.Journal, "rename_key", 3),
    "set attributes": (attributes, "attributes_of", 9),
    "set an attribute": (journal.Journal, "set_attribute", 4),
    "make a layer": (insertion, "identity_layer", 0),
    "insert a layer": (transaction, "insert", 1),
    "insert into a companion": (transaction, "insert_copy", 1),
    "join the optimizer": (journal.Journal, "append", 1),
    "join it in the middle": (journal.Journal, "append", 6),
}


@pytest.fixture
def trained(network, inputs):
    named = list(network.named_parameters())
    adam = AdamW(
        [
            {"params": [each for each in named if each[1].ndim > 1]},
            {"params": [each for each in named if each[1].ndim == 1], "weight_decay": 0.0},
        ],
        amsgrad=True,
    )
    average = AveragedModel(network)
    scheduler = CosineAnnealingLR(adam, 10)
    network(inputs).square().sum().backward()
    adam.step()
    scheduler.step()
    adam.zero_grad()
    average.update_parameters(network)
    return network, adam, average


@pytest.fixture
def edits(first_site, second_site):
    fill = {("first.weight", 0): torch.randn(2, 3, 3, 3)}
    return [
        *site_edits(first_site, (*range(6), -1, -1), fill),
        *site_edits(second_site, (0, 1, 2, 3, 3)),
        Insertion("norm", "residual_norm", 8, 2, 3),
        Insertion("activation", "identity", 8, 2, 3),
    ]


@pytest.mark.parametrize("stage", STAGES, ids=lambda name: name.replace(" ", "-"))
def test_a_failure_leaves_no_trace(monkeypatch, trained, edits, stage):
    model, adam, average = trained
    before = Snapshot(model, adam), Snapshot(average, adam)
    owner, name, calls = STAGES[stage]
    monkeypatch.setattr(owner, name, failing_after(calls, getattr(owner, name)))
    with pytest.raises(Injected), Transaction(model, adam, [average]) as running:
        running.apply(edits)
    monkeypatch.undo()
    for snapshot, each in zip(before, (model, average), strict=True):
        snapshot.assert_same(Snapshot(each, adam))


def test_the_snapshot_sees_a_growth(trained, edits):
    model, adam, average = trained
    before = Snapshot(model, adam)
    with Transaction(model, adam, [average]) as running:
        running.apply(edits)
        for part in ("identities", "attributes", "groups"):
            assert getattr(before, part) != getattr(Snapshot(model, adam), part)


def test_an_error_in_the_block_leaves_no_trace(trained, edits):
    model, adam, average = trained
    before = Snapshot(model, adam), Snapshot(average, adam)
    with pytest.raises(KeyboardInterrupt), Transaction(model, adam, [average]) as running:
        running.apply(edits)
        raise KeyboardInterrupt
    for snapshot, each in zip(before, (model, average), strict=True):
        snapshot.assert_same(Snapshot(each, adam))


def test_a_rolled_back_network_trains_as_if_nothing_had_been(trained, edits, inputs):
    model, adam, average = trained
    twin, twins_adam = copy.deepcopy((model, adam))
    with Transaction(model, adam, [average]) as running:
        running.apply(edits)
        running.rollback()
    for each, its in ((model, adam), (twin, twins_adam)):
        each(inputs).square().sum().backward()
        its.step()
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), twin.parameters(), strict=True))


def test_an_error_caught_inside_the_block_is_rolled_back_too(monkeypatch, trained, edits):
    model, adam, _ = trained
    before = Snapshot(model, adam)
    with Transaction(model, adam) as running:
        monkeypatch.setattr(transaction, "sync_module", failing_after(2, transaction.sync_module))
        with pytest.raises(Injected):
            running.apply(edits)
    before.assert_same(Snapshot(model, adam))

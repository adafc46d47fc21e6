"""The numbers of heads that modules keep, as part of a change."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from growsearch.errors import GrowthRefused
from growsearch.graph import trace
from growsearch.surgery import AttributeEdit, Transaction, apply_edits, changed_attributes, rebuild, site_edits
from tests.graph.attention import FusedAttention, Transformer

X = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(FusedAttention(12, 3, by_hand=False))


@pytest.fixture
def edits(model):
    return site_edits(trace(model, X).sites["attention.0.qkv"], (0, 1, 2, 1, -1))


def test_a_rollback_takes_numbers_of_heads_back(model, edits):
    before = model(X)
    with Transaction(model) as transaction:
        transaction.apply(edits)
        assert model.attention[0].num_heads == 5
        transaction.rollback()
    assert model.attention[0].num_heads == 3
    assert torch.equal(model(X), before)


def test_a_companion_follows(model, edits):
    average = AveragedModel(model)
    before = average(X)
    apply_edits(model, edits, companions=[average])
    assert average.module.attention[0].num_heads == 5
    assert torch.allclose(average(X), before, atol=1e-6)


def test_grown_heads_come_back_from_the_seed(model, edits):
    seed = copy.deepcopy(model)
    apply_edits(model, edits)
    attributes = changed_attributes(edits)
    assert attributes == {"attention.0.num_heads": 5}
    assert torch.equal(rebuild(seed, [], model.state_dict(), attributes)(X), model(X))


def test_edits_that_disagree_about_a_number_are_refused(model):
    both = [AttributeEdit("attention.0", "num_heads", 3, after) for after in (4, 5)]
    with pytest.raises(GrowthRefused, match="two sites would change 'num_heads'"):
        apply_edits(model, both)
    assert model.attention[0].num_heads == 3

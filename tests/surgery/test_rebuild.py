from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from growsearch.errors import GrowsearchError
from growsearch.surgery import Insertion, apply_edits, outputs_of, rebuild, relative_difference, site_edits


def test_a_grown_network_comes_back_from_its_seed(network, inputs, first_site, second_site):
    network.register_buffer("gain", network.gain, persistent=True)
    seed = copy.deepcopy(network)
    apply_edits(network, site_edits(first_site, (*range(6), 1, -1)))
    insertions = [
        Insertion("activation", "identity", 8, 2, 3),
        Insertion("activation.1", "residual_norm", 8, 2, 3),
    ]
    for insertion in insertions:
        apply_edits(network, [insertion])
    apply_edits(network, site_edits(second_site, (0, 1, -1)))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    weight = seed.first.weight
    weight.no_decay = True
    again = rebuild(seed, insertions, network.state_dict())
    assert again is seed
    for training in (True, False):
        assert relative_difference(outputs_of(network, inputs, training), outputs_of(again, inputs, training)) == 0.0
    assert str(again) == str(network)
    assert again.first.weight.no_decay
    assert again.first.weight is not network.first.weight


def test_tied_parameters_stay_tied():
    def make(width: int) -> nn.Module:
        model = nn.ModuleDict({"embedding": nn.Embedding(7, width), "head": nn.Linear(width, 7, bias=False)})
        model["head"].weight = model["embedding"].weight
        return model

    again = rebuild(make(3), [], make(5).state_dict())
    assert again["head"].weight is again["embedding"].weight
    assert again["head"].in_features == 5
    untied = make(5).state_dict() | {"head.weight": torch.zeros(7, 6)}
    with pytest.raises(GrowsearchError, match="are one tensor"):
        rebuild(make(3), [], untied)


def test_a_state_of_another_network_is_refused_and_the_seed_stays(network):
    parameters = dict(network.named_parameters())
    other = {name: value for name, value in network.state_dict().items() if name != "head.bias"} | {
        "tail": torch.ones(1)
    }
    with pytest.raises(GrowsearchError, match=r"missing \['head.bias'\], unexpected \['tail'\]"):
        rebuild(network, [], other)
    with pytest.raises(GrowsearchError, match="missing"):
        rebuild(network, [Insertion("norm", "residual", 6, 2, 3)], network.state_dict())
    flat = {name: value.flatten() for name, value in network.state_dict().items()}
    with pytest.raises(GrowsearchError, match=r"\(6, 3, 3, 3\) in the seed, \(162,\) in the state"):
        rebuild(network, [], flat)
    uneven = network.state_dict() | {"norm.bias": torch.ones(7)}
    with pytest.raises(GrowsearchError, match="different sizes"):
        rebuild(network, [], uneven)
    assert {name: id(each) for name, each in network.named_parameters()} == {n: id(p) for n, p in parameters.items()}

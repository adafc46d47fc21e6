from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from growsearch.errors import GrowthRefused
from growsearch.surgery import (
    Insertion,
    ResidualBlock,
    apply_edits,
    outputs_of,
    relative_difference,
    rename,
    site_edits,
)
from tests.muon import needs_muon


def both(model: nn.Module, inputs: torch.Tensor) -> list:
    return [outputs_of(model, inputs, training) for training in (True, False)]


@pytest.fixture
def vectors() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("layer", ["identity", "residual", "residual_norm"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_layer_in_feature_maps_preserves_the_function(spatial, layer, kernel):
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[spatial - 1]
    model = nn.Sequential(convolution(2, 4, 3), nn.ReLU(), convolution(4, 3, 3))
    inputs = torch.randn(2, 2, *[6] * spatial)
    before = both(model, inputs)
    apply_edits(model, [Insertion("1", layer, 4, spatial, kernel)])
    assert relative_difference(before, both(model, inputs)) < 1e-6
    assert len(model[1]) == (3 if layer == "identity" else 2)
    with torch.no_grad():
        for parameter in model[1].parameters():
            parameter.add_(0.1)
    assert relative_difference(before, both(model, inputs)) > 1e-3


@pytest.mark.parametrize("layer", ["identity", "residual", "residual_norm"])
@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4)])
def test_a_layer_in_vectors_and_tokens_preserves_the_function(vectors, layer, shape):
    inputs = torch.randn(shape)
    before = both(vectors, inputs)
    apply_edits(vectors, [Insertion("1", layer, 5, 0, 3)])
    assert relative_difference(before, both(vectors, inputs)) < 1e-6


def test_a_residual_block_fits_where_no_activation_is(vectors):
    before = both(vectors, torch.ones(2, 4))
    apply_edits(vectors, [Insertion("2", "residual", 3, 0, 1)])
    assert relative_difference(before, both(vectors, torch.ones(2, 4))) == 0.0


@pytest.mark.parametrize("layer", ["identity", "residual", "residual_norm"])
def test_new_layers_learn_from_the_first_step_on(vectors, layer):
    apply_edits(vectors, [Insertion("1", layer, 5, 0, 1)])
    vectors(torch.randn(8, 4)).square().sum().backward()
    last = vectors[1][1].last if layer != "identity" else vectors[1][1]
    assert last.weight.grad.abs().max() > 0


def test_new_layers_are_plain_and_like_their_neighbours():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3))
    model = model.to(torch.bfloat16, memory_format=torch.channels_last).eval()
    apply_edits(model, [Insertion("1", "identity", 4, 2, 3), Insertion("2", "residual", 2, 2, 3)])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model[1][1].weight.is_contiguous(memory_format=torch.channels_last)
    assert not any(module.training for module in model.modules())
    assert model[1][2] is not model[1][0] and model[1][2].inplace
    restored = pickle.loads(pickle.dumps(model))
    inputs = torch.randn(1, 2, 8, 8, dtype=torch.bfloat16)
    assert relative_difference(both(model, inputs), both(restored, inputs)) == 0.0


def test_the_seed_decides_the_weights_and_nothing_else_is_drawn(vectors):
    state = torch.get_rng_state()
    models = [copy.deepcopy(vectors) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        apply_edits(model, [Insertion("1", "residual", 5, 0, 1, seed)])
    first, same, other = (model[1][1].first.weight for model in models)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_can_be_inserted_where_the_width_changes(network, inputs, first_site):
    before = both(network, inputs)
    edits = [*site_edits(first_site, (*range(6), -1)), Insertion("depthwise", "residual", 7, 2, 3)]
    apply_edits(network, edits)
    assert relative_difference(before, both(network, inputs)) < 1e-5


def test_new_parameters_join_the_groups_of_their_kind(network, inputs):
    named = list(network.named_parameters())
    optimizer = AdamW(
        [
            {"params": [each for each in named if each[1].ndim > 1]},
            {"params": [each for each in named if each[1].ndim == 1], "weight_decay": 0.0, "lr": 0.5},
        ]
    )
    scheduler = LambdaLR(optimizer, [lambda step: 0.5**step] * 2)
    network(inputs).sum().backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    apply_edits(network, [Insertion("norm", "residual_norm", 6, 2, 3)], optimizer)
    assert len(optimizer.param_groups) == 2
    for group, vectors in zip(optimizer.param_groups, (False, True), strict=True):
        assert all((parameter.ndim == 1) == vectors for parameter in group["params"])
        for name, parameter in zip(group["param_names"], group["params"], strict=True):
            assert network.get_parameter(name) is parameter
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, network.parameters()))
    weight = network.norm[1].last.weight
    network(inputs).square().sum().backward()
    optimizer.step()
    scheduler.step()
    assert weight.abs().max() > 0
    assert [group["lr"] for group in optimizer.param_groups] == [0.25e-3, 0.125]


@needs_muon
def test_an_insertion_joins_the_optimizer_that_can_take_it(vectors):
    matrices = [parameter for parameter in vectors.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in vectors.parameters() if parameter.ndim == 1]
    muon, adam = torch.optim.Muon(matrices), AdamW(others)
    apply_edits(vectors, [Insertion("1", "residual", 5, 0, 1)], [muon, adam])
    assert all(parameter.ndim == 2 for parameter in muon.param_groups[0]["params"])
    assert len(muon.param_groups[0]["params"]) == len(adam.param_groups[0]["params"]) == 4
    with pytest.raises(GrowthRefused, match="no parameter group can take the new"):
        apply_edits(vectors, [Insertion("2", "residual", 3, 0, 1)], muon)
    assert isinstance(vectors[2], nn.Linear)


def test_companions_follow(vectors):
    average = AveragedModel(vectors)
    average.requires_grad_(False)
    apply_edits(vectors, [Insertion("1", "residual", 5, 0, 1)], SGD(vectors.parameters(), 0.1), [average])
    copied = average.module[1][1]
    assert copied is not vectors[1][1] and torch.equal(copied.first.weight, vectors[1][1].first.weight)
    assert not copied.first.weight.requires_grad
    average.update_parameters(vectors)


def test_names_of_before_are_found_again(vectors):
    insertions = [
        Insertion("1", "residual", 5, 0, 1),
        Insertion("1.0", "identity", 5, 0, 1),
        Insertion("2", "residual", 3, 0, 1),
    ]
    old = dict(vectors.named_modules())
    for insertion in insertions:
        apply_edits(vectors, [insertion])
    for name, module in old.items():
        assert vectors.get_submodule(rename(name, insertions)) is module
    assert rename("10.weight", insertions) == "10.weight"


@pytest.mark.parametrize(
    ("insertions", "message"),
    [
        ([Insertion("7", "residual", 5, 0, 1)], "no module '7'"),
        ([Insertion("", "residual", 5, 0, 1)], "not the root"),
        ([Insertion("1", "dense", 5, 0, 1)], "allowed are identity, residual, residual_norm"),
        ([Insertion("1", "residual", 5, 2, 4)], "use an odd kernel"),
        ([Insertion("1", "residual", 0, 0, 1)], "at least 1 channel"),
        ([Insertion("0", "identity", 5, 0, 1)], "behind '0', a Linear, would change the function"),
        ([Insertion("1", "residual", 5, 0, 1)] * 2, "make one after the other"),
    ],
)
def test_insertions_that_cannot_be_are_refused(vectors, insertions, message):
    with pytest.raises(GrowthRefused, match=message):
        apply_edits(vectors, insertions)
    assert isinstance(vectors[1], nn.ReLU)


@pytest.mark.parametrize("module", [nn.GELU(), nn.LeakyReLU(), nn.Dropout(0.5), nn.Softmax(1), nn.MaxPool2d(2)])
def test_an_identity_layer_needs_an_idempotent_activation(vectors, module):
    vectors[1] = module.eval()
    with pytest.raises(GrowthRefused, match="would change the function"):
        apply_edits(vectors, [Insertion("1", "identity", 5, 0, 1)])


def test_a_module_under_two_names_is_refused(vectors):
    vectors.append(vectors[1])
    with pytest.raises(GrowthRefused, match=r"under several names, \['1', '3'\]"):
        apply_edits(vectors, [Insertion("1", "residual", 5, 0, 1)])


def test_a_residual_block_can_be_used_alone():
    inputs = torch.randn(2, 4, 5, 5)
    block = ResidualBlock(4, spatial=2, kernel=3, norm=True)
    assert torch.equal(block(inputs), inputs)


def test_adagrad_begins_with_a_new_layer_as_it_began_with_the_others(vectors):
    # In torch 2.11 it makes its state when it is made itself, and stops at a parameter without.
    optimizer = Adagrad(vectors.parameters(), lr=0.1, initial_accumulator_value=0.5)
    old = set(optimizer.state)

    apply_edits(vectors, [Insertion("1", "identity", 5, 0, 1)], optimizer)

    (weight, bias) = (parameter for parameter in vectors.parameters() if parameter not in old)
    assert optimizer.state[weight]["step"] == 0
    assert optimizer.state[weight]["sum"].equal(torch.full((5, 5), 0.5))
    assert optimizer.state[bias]["sum"].equal(torch.full((5,), 0.5))

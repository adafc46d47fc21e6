from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from growsearch.errors import GrowthRefused
from growsearch.surgery import AxisEdit, Transaction, apply_edits, outputs_of, relative_difference, site_edits

WIDER = (*range(6), -1, -1)


def both(model: nn.Module, inputs: torch.Tensor) -> list:
    return [outputs_of(model, inputs, training) for training in (True, False)]


def test_widening_preserves_the_function(network, inputs, first_site, second_site):
    before = both(network, inputs)
    first = {("first.weight", 0): torch.randn(2, 3, 3, 3)}
    second = {("second.weight", 0): torch.randn(1, 6, 3, 3)}
    apply_edits(network, site_edits(first_site, WIDER, first) + site_edits(second_site, (0, 1, 2, 3, -1), second))
    assert relative_difference(before, both(network, inputs)) < 1e-5
    assert (network.first.out_channels, network.norm.num_features, network.depthwise.groups) == (8, 8, 8)
    assert (network.second.in_channels, network.second.out_channels, network.head.in_features) == (8, 5, 20)
    assert network.gain.shape == (8,)
    assert torch.equal(network.norm.running_var[6:], torch.ones(2))


def test_a_split_preserves_the_function_where_units_meet(network, inputs, first_site, second_site):
    before = both(network, inputs)
    apply_edits(network, site_edits(first_site, (*range(6), 2, 2, 5)) + site_edits(second_site, (0, 1, 2, 3, 0, 3)))
    assert relative_difference(before, both(network, inputs)) < 1e-5
    # The control: copies without shares change it.
    apply_edits(network, [AxisEdit("first.weight", 0, tuple(range(9)), scale=(1.1,) * 9)])
    assert relative_difference(before, both(network, inputs)) > 1e-3


def test_a_network_of_dead_units_is_the_same_without_them(network, inputs, first_site):
    with torch.no_grad():
        network.second.weight[:, [1, 4]] = 0
    before = both(network, inputs)
    apply_edits(network, site_edits(first_site, (0, 2, 3, 5)))
    assert relative_difference(before, both(network, inputs)) < 1e-5
    assert network.depthwise.groups == 4


def test_edits_of_several_calls_are_one_transaction(network, first_site):
    weight = network.first.weight
    with pytest.raises(ZeroDivisionError), Transaction(network) as transaction:
        transaction.apply(site_edits(first_site, WIDER))
        transaction.apply([AxisEdit("first.weight", 0, (*range(8), -1))])
        assert len(network.first.weight) == 9
        raise ZeroDivisionError
    assert network.first.weight is weight


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight
        self.again = self.head


def test_tied_parameters_stay_one_object_everywhere():
    model = Tied()
    optimizer = SGD(model.parameters(), 0.1)
    average = AveragedModel(model)
    apply_edits(model, [AxisEdit("head.weight", 1, (0, 1, 2, 3, -1))], optimizer, [average])
    for each in (model, average.module):
        assert each.head.weight is each.embedding.weight
        assert (each.head.in_features, each.embedding.embedding_dim) == (5, 5)
    assert optimizer.param_groups[0]["params"][0] is model.head.weight
    average.update_parameters(model)


def test_parameters_keep_what_is_attached_to_them(network, first_site):
    network.first.weight.no_decay = True
    network.first.weight.requires_grad_(False)
    network.gain.note = "mine"
    apply_edits(network, site_edits(first_site, WIDER))
    assert network.first.weight.no_decay and not network.first.weight.requires_grad
    assert network.gain.note == "mine"
    assert "gain" not in network.state_dict()


def test_companions_keep_their_values_and_take_new_ones_from_the_model(network, inputs, first_site, second_site):
    average = AveragedModel(network, use_buffers=True)
    plain = copy.deepcopy(network)
    for each in (average, plain):
        for parameter in each.parameters():
            nn.init.normal_(parameter)
    before = both(average, inputs), both(plain, inputs)
    old = average.module.second.weight
    fills = {("first.weight", 0): torch.randn(2, 3, 3, 3), ("second.weight", 1): torch.randn(4, 2, 3, 3)}
    edits = site_edits(first_site, WIDER, fills) + site_edits(second_site, (0, 1, 2, 3, -1))
    apply_edits(network, edits, companions=[average, plain])
    weight = average.module.second.weight
    assert torch.equal(weight[:4, :6], old)
    assert torch.equal(weight[:, 6:], network.second.weight[:, 6:])
    assert torch.equal(average.module.first.weight[6:], network.first.weight[6:])
    assert average.module.depthwise.groups == 8
    assert average.module.gain.shape == (8,)
    average.update_parameters(network)
    # With nothing going out of the new units, companions compute what they did.
    with torch.no_grad():
        plain.second.weight[:, 6:] = 0
    assert relative_difference(before[1], both(plain, inputs)) < 1e-5


def test_a_wrapper_that_holds_the_model_itself_is_a_companion_too(network, first_site):
    wrapper = nn.Module()
    wrapper.module = network
    optimizer = SGD(network.parameters(), 0.1)
    fills = {("first.weight", 0): torch.randn(2, 3, 3, 3)}
    apply_edits(network, site_edits(first_site, WIDER, fills), optimizer, [wrapper])
    assert torch.equal(network.first.weight[6:], fills["first.weight", 0])
    held = {id(parameter) for parameter in optimizer.param_groups[0]["params"]}
    assert held == {id(parameter) for parameter in network.parameters()}


def test_nothing_of_before_is_held_after_the_block(network, first_site):
    optimizer = SGD(network.parameters(), 0.1, momentum=0.9)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    old = [weakref.ref(network.first.weight), weakref.ref(optimizer.state[network.first.weight]["momentum_buffer"])]
    with Transaction(network, optimizer) as transaction:
        transaction.apply(site_edits(first_site, WIDER))
        assert all(each() is not None for each in old)
    gc.collect()
    assert all(each() is None for each in old)


def old_weight_norm(module: nn.Module) -> None:
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(module)


@pytest.mark.parametrize(
    "parametrise",
    [
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        old_weight_norm,
        nn.utils.spectral_norm,
        lambda module: prune.l1_unstructured(module, "weight", 0.3),
    ],
)
@pytest.mark.parametrize("name", ["first.bias", "weight"])
def test_parametrised_modules_are_refused(network, parametrise, name):
    parametrise(network.first)
    if name == "weight":
        tensors = [*network.named_parameters(), *network.named_buffers()]
        name = next(n for n, t in tensors if n.startswith("first") and t.shape == (6, 3, 3, 3))
    bias = network.first.bias
    with pytest.raises(GrowthRefused, match="parametrised module"):
        apply_edits(network, [AxisEdit(name, 0, (*range(6), -1))])
    assert network.first.bias is bias


def test_tensors_that_cannot_be_replaced_are_refused(network):
    class Special(nn.Parameter):
        pass

    edit = AxisEdit("first.bias", 0, (*range(6), -1))
    with pytest.raises(GrowthRefused, match="has no parameter or buffer 'module.first.bias'"):
        apply_edits(network, [AxisEdit("module.first.bias", 0, (0,))])
    network.norm.weight = nn.Parameter(network.first.bias.data)
    with pytest.raises(GrowthRefused, match="shares its memory"):
        apply_edits(network, [edit])
    network.first.bias = Special(torch.zeros(6))
    with pytest.raises(GrowthRefused, match="'first.bias' is a Special"):
        apply_edits(network, [edit])


def test_companions_that_do_not_match_are_refused(network, first_site):
    edits = site_edits(first_site, WIDER)
    other = copy.deepcopy(network)
    with pytest.raises(GrowthRefused, match="companion Linear has no"):
        apply_edits(network, edits, companions=[nn.Linear(2, 2)])
    apply_edits(other, edits)
    with pytest.raises(GrowthRefused, match=r"companion's '.*' has shape"):
        apply_edits(network, edits, companions=[other])

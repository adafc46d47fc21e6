"""Candidates that split with shifts, remove units and offset tensors."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, trace
from growsearch.growth import Candidate, ExpandedModel, Removal, Split, planned_edits
from growsearch.surgery import Transaction, apply_edits


def network() -> tuple[nn.Sequential, NetworkGraph, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    x = torch.randn(7, 5).double()
    return model, trace(model, x), x


def split(site: str, unit: int, incoming: Tensor, outgoing: Tensor | None = None) -> Candidate:
    shifts = {(f"{site}.weight", 0): (incoming, -incoming)}
    if outgoing is not None:
        shifts[f"{int(site) + 2}.weight", 1] = (outgoing, -outgoing)
    return Split(site, 0, 1, 1, unit, shifts=shifts, exact=False)


def removal(site: str, unit: int, mean: Tensor | None = None) -> Candidate:
    offsets = {} if mean is None else {f"{int(site) + 2}.bias": mean}
    return Removal(site, 1, -1, -1, unit, offsets=offsets, exact=False)


def test_neighbouring_sites_split_and_lose_units_at_once() -> None:
    """Against weights put together by hand: a split of the narrow layer reaches the rows that the other split moved."""
    model, graph, x = network()
    first, second, third = (model[i].weight.detach() for i in (0, 2, 4))
    narrow, wide, outgoing = (torch.randn(*shape).double() for shape in ((1, 5), (1, 4), (3, 1)))
    mean = torch.randn(3).double()
    kept = [0, 1, 2, 3, 5]
    rows = torch.cat([first, first[1:2] - narrow])
    rows[1] += narrow[0]
    middle = torch.cat([second[kept], second[2:3] - wide])
    middle[2] += wide[0]
    middle = torch.cat([middle, middle[:, 1:2]], 1)
    middle[:, [1, 4]] /= 2
    last = torch.cat([third[:, kept], third[:, 2:3]], 1)
    last[:, [2, 5]] /= 2
    last[:, 2:3] += outgoing
    last[:, 5:6] -= outgoing
    biases = [model[0].bias[[0, 1, 2, 3, 1]], model[2].bias[[*kept, 2]], model[4].bias + mean]
    h = torch.tanh(x @ rows.T + biases[0])
    expected = torch.tanh(h @ middle.T + biases[1]) @ last.T + biases[2]

    apply_edits(
        model, planned_edits(graph, [split("0", 1, narrow), split("2", 2, wide, outgoing), removal("2", 4, mean)])
    )

    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-14)


def test_an_expanded_copy_is_differentiable_in_what_candidates_bring() -> None:
    model, graph, x = network()
    before = copy.deepcopy(model.state_dict())
    start = split("2", 2, torch.zeros(1, 4).double())
    expanded = ExpandedModel(model, graph, [start])

    def loss(delta: Tensor) -> Tensor:
        moved = replace(start, shifts={("2.weight", 0): (delta, -delta)})
        return expanded.loss([moved], lambda net, batch: net(batch).square().mean(), x)

    delta = torch.randn(1, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(loss, (delta,))
    plain = model(x).square().mean()
    torch.testing.assert_close(loss(torch.zeros(1, 4).double()), plain)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_unit_changes_once_in_an_event() -> None:
    _, graph, _ = network()
    shift = torch.zeros(1, 4).double()
    for pair in ([split("2", 2, shift), split("2", 2, shift)], [split("2", 2, shift), removal("2", 2)]):
        with pytest.raises(GrowthRefused, match="unit 2 is changed twice"):
            planned_edits(graph, pair)


def test_shifts_and_offsets_are_taken_back() -> None:
    model, graph, x = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    companion = copy.deepcopy(model)
    edits = planned_edits(graph, [split("2", 2, torch.ones(1, 4).double()), removal("2", 4, torch.ones(3).double())])
    with Transaction(model, companions=[companion]) as transaction:
        transaction.apply(edits)
        # A companion follows by the same shifts, on top of its own values.
        torch.testing.assert_close(companion(x), model(x))
        transaction.rollback()
    for each in (model, companion):
        assert all(torch.equal(value, before[name]) for name, value in each.state_dict().items())


def test_an_offset_must_have_the_shape_of_its_tensor() -> None:
    model, graph, _ = network()
    with pytest.raises(GrowthRefused, match=r"offset of '4.bias': found shape \(2,\)"):
        apply_edits(model, planned_edits(graph, [removal("2", 4, torch.ones(2).double())]))


def test_removed_units_take_their_optimizer_state_with_them() -> None:
    model, graph, x = network()
    optimizer = torch.optim.Adam(model.parameters())
    model(x).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    old = optimizer.state[model[2].weight]["exp_avg"].clone()
    apply_edits(model, planned_edits(graph, [removal("2", 4)]), optimizer)
    assert torch.equal(optimizer.state[model[2].weight]["exp_avg"], old[[0, 1, 2, 3, 5]])

"""What an event tells of the parameters that it changed: shapes, and which elements are new."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch.growth import GrowthEvent
from growsearch.testing.subjects import Chain
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, sgd, train


def grown(model: nn.Module, units: dict[str, int], how: str) -> tuple[GrowthEvent, dict[str, Tensor]]:
    """The event, and the parameters before it, all of which were drawn at random."""
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    batch = batch_for(model)
    return growsearch.grow(model, batch[0], units, how, objective=objective, batches=[batch]), before


@pytest.mark.parametrize("how", ["zero", "random", "gradmax"])
def test_what_is_not_new_is_as_it_was(how: str) -> None:
    model = mlp()
    event, before = grown(model, {"first": 3, "second": 1}, how)

    masks, after = event.new_weights(), dict(model.named_parameters())
    assert set(masks) == {"first.weight", "first.bias", "second.weight", "second.bias", "head.weight"}
    for name, mask in masks.items():
        assert mask.shape == after[name].shape
        assert torch.equal(after[name][~mask], before[name].flatten())
    assert sum(int(mask.sum()) for mask in masks.values()) == event.parameters_after - event.parameters_before


def test_it_is_told_by_axis_as_runs() -> None:
    event, _ = grown(mlp(), {"first": 3}, "zero")

    assert event.new_parameters == {
        "first.weight": {0: ((4, 7),)},
        "first.bias": {0: ((4, 7),)},
        "second.weight": {1: ((4, 7),)},
    }
    one = event.changed_parameters["second.weight"]
    assert (one.before, one.after) == ((6, 4), (6, 7))


def test_runs_in_between_of_a_flattened_map_and_norms_are_told_too() -> None:
    event, _ = grown(cnn(), {"conv1": 2}, "zero")

    shapes = {name: (one.before, one.after) for name, one in event.changed_parameters.items()}
    assert all(before != after for before, after in shapes.values())
    assert int(sum(mask.sum() for mask in event.new_weights().values())) == (
        event.parameters_after - event.parameters_before
    )


def test_layers_and_blocks_are_new_as_a_whole_under_the_names_that_they_have() -> None:
    model = Chain()
    torch.manual_seed(0)
    event, _ = grown(model, {"blocks": 1}, "identity_blocks")

    assert set(event.new_parameters) <= set(dict(model.named_parameters()))
    assert all(one.before is None for one in event.changed_parameters.values())
    assert int(sum(mask.sum() for mask in event.new_weights().values())) == (
        event.parameters_after - event.parameters_before
    )
    inserted, _ = grown(mlp(), {"act1": 1}, "identity")
    assert list(inserted.new_parameters) == ["act1.1.weight", "act1.1.bias"]


def test_only_what_is_new_can_be_trained() -> None:
    model = mlp()
    event, _ = grown(model, {"first": 3}, "random")
    masks = event.new_weights()
    for name, parameter in model.named_parameters():
        mask = masks.get(name, torch.zeros_like(parameter, dtype=torch.bool))
        parameter.register_hook(lambda gradient, mask=mask: gradient * mask)
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(5):
        objective(model, batch_for(model)).backward()
        optimizer.step()
        optimizer.zero_grad()

    for name, parameter in model.named_parameters():
        mask = masks.get(name, torch.zeros_like(parameter, dtype=torch.bool))
        assert torch.equal(parameter[~mask], start[name][~mask])
    assert not torch.equal(model.first.weight[4:], start["first.weight"][4:])


def test_events_of_a_grower_tell_it_and_their_log_does_not() -> None:
    model = mlp()
    optimizer = sgd(model)
    [event] = train(model, optimizer, grower_for(model, optimizer, how="split", amount=0.5), 1)

    assert event.new_parameters["first.weight"] == {0: ((4, 6),)}
    assert "changed_parameters" not in event.to_json()


def test_an_event_a_graph_and_a_site_print_what_a_reader_looks_for() -> None:
    model = mlp()
    graph = growsearch.trace(model, batch_for(model)[0])
    event, _ = grown(model, {"first": 3}, "zero")

    assert "second.weight  6x4     6x7    axis 1: 4:7" in str(event)
    assert str(event).startswith("step 0: when now, where given, how zero; 71 to 104 parameters")
    assert "2 sites" in str(graph) and " first " in str(graph)
    assert "second.weight  1     4     read by" in str(graph.sites["first"])

"""Every selector with every initializer and every scheduler grows, or refuses with a reason."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from growsearch import GrowthRefused, InputError
from growsearch.registry import names
from tests.growth.tasks import batch_for, cnn, grower_for, objective, sgd, train
from tests.laws.settings import cheap, grows_depth, hows

COMBINATIONS = sorted(
    {
        *itertools.product(["interval"], names("where"), hows()),
        *itertools.product(names("when"), names("where"), ["random"]),
    }
)
"""A scheduler meets an initializer nowhere but in the events that it asks for."""
STEPS = 5


@pytest.mark.parametrize(("when", "where", "how"), COMBINATIONS)
def test_every_combination_grows_and_goes_on_training(when: str, where: str, how: str) -> None:
    model = cnn()
    optimizer = sgd(model)
    before = sum(p.numel() for p in model.parameters())
    grower = grower_for(
        model,
        optimizer,
        when=cheap("when", when),
        where=cheap("where", where),
        how=cheap("how", how),
        budget={"units": 5},
        total_steps=STEPS + 1,
    )
    events = []
    for _ in range(STEPS):
        # Metrics that do not move: schedulers that wait for progress to stop get what they wait for.
        grower.report(validation_accuracy=0.5, validation_loss=1.0)
        events += train(model, optimizer, grower, 1)

    added = sum(sum(event.sites.values()) - sum(event.removed.values()) for event in events)
    assert bool(events) == (when != "never")
    assert all(event.refused is None for event in events)
    assert added <= 5
    if events:
        removed = any(event.removed for event in events)
        # The loss that does not move makes compute_optimal grow once, by one unit.
        assert added >= (1 if grows_depth(how) or when == "compute_optimal" else 2) or removed
        assert events[0].parameters_before == before
        parameters = sum(p.numel() for p in model.parameters())
        assert parameters == events[-1].parameters_after != before
        # Where units are removed too, the network may end smaller.
        assert parameters > before or removed
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {id(p) for p in model.parameters()}
    assert bool(torch.isfinite(objective(model, batch_for(model))))


@pytest.mark.parametrize(("where", "how"), list(itertools.product(names("where"), hows())))
def test_a_network_without_room_is_refused_with_a_reason(where: str, how: str) -> None:
    """Negative control: one linear layer has no hidden units, and no place but its output to insert a layer."""
    model = nn.Sequential(nn.Linear(4, 3))
    policy = {"when": cheap("when", "interval"), "where": cheap("where", where), "how": cheap("how", how)}
    if grows_depth(how):
        with pytest.raises(InputError, match="match none of"):
            grower_for(model, sites=["nothing"], **policy)
        return
    with pytest.raises(GrowthRefused, match="no site that can grow"):
        grower_for(model, **policy)

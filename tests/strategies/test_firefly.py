"""Firefly: the pool of candidates that is trained, and what is kept of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import Grower, GrowthFailed, GrowthRefused
from growsearch.graph import trace
from growsearch.growth import Allowance, Candidate, GrowthContext, Initializer, NewUnit, Selector, Split, gate_scores
from growsearch.growth.policy import strategy
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, same, sgd, train

HUGE = 1 << 60


def context(model: nn.Module, **fields: Any) -> GrowthContext:
    graph = trace(model, batch_for(model)[0])
    requests = dict.fromkeys(graph.sites, 2)
    allowance = Allowance(requests, dict.fromkeys(requests, HUGE), HUGE)
    settings: dict[str, Any] = {"objective": objective, "batches": [batch_for(model, seed=seed) for seed in range(6)]}
    generator = torch.Generator().manual_seed(0)
    return GrowthContext(model, graph, graph.sites, {}, allowance, generator, {}, **{**settings, **fields})


def proposed(event: GrowthContext, units: int = 2, **parameters: Any) -> list[Candidate]:
    how = strategy(Initializer, "how", {"firefly": {"steps": 3, **parameters}})
    return how.propose(dict.fromkeys(event.sites, units), event)


def norms(candidates: list[Candidate], key: tuple[str, int]) -> Tensor:
    return torch.stack([c.fills[key].flatten() for c in candidates if isinstance(c, NewUnit)]).norm(dim=1)


def test_no_more_are_proposed_than_planned_best_first() -> None:
    event = context(mlp())
    candidates = proposed(event, units=3, pool=4)
    assert Counter(c.site for c in candidates) == {"first": 3, "second": 3}
    for site in event.sites:
        own = [c for c in candidates if c.site == site]
        scores = [c.score for c in own if c.score is not None]
        assert [c.index for c in own] == [0, 1, 2]
        assert scores == sorted(scores, reverse=True) and [c.predicted_change for c in own] == [
            -score for score in scores
        ]


def test_a_larger_pool_has_better_units() -> None:
    """The best of twenty are at least as good as all of two; both are trained alike."""
    small, large = (proposed(context(mlp()), pool=pool, splits=0.0) for pool in (1, 10))
    assert sum(c.predicted_change or 0.0 for c in large) < sum(c.predicted_change or 0.0 for c in small)


def test_splits_share_the_pool_and_move_both_units_apart() -> None:
    event = context(mlp())
    candidates = proposed(event, units=8, pool=1, splits=0.5)
    assert Counter((c.site, isinstance(c, NewUnit)) for c in candidates) == {
        ("first", True): 4,
        ("first", False): 4,
        ("second", True): 4,
        ("second", False): 4,
    }
    for site in event.sites:
        sources = [c.source for c in candidates if c.site == site and isinstance(c, Split)]
        assert len(set(sources)) == len(sources)
    for c in candidates:
        if isinstance(c, Split):
            first, second = c.shifts[f"{c.site}.weight", 0]
            assert torch.equal(first, -second) and float(first.norm()) > 0
    assert all(isinstance(c, NewUnit) for c in proposed(event, splits=0.0))


def test_only_old_enough_units_are_split() -> None:
    ages = {"first": [9, 1, 1, 9], "second": [1] * 6}
    event = context(mlp(), ages=ages, minimum_age=5)
    candidates = proposed(event, units=6, pool=1, splits=1.0)
    assert {(c.site, c.source) for c in candidates if isinstance(c, Split)} == {("first", 0), ("first", 3)}
    # New units take the place of splits that may not be made.
    assert len(candidates) == 12


def test_new_units_stay_inside_their_balls_however_long_they_train() -> None:
    model = mlp()
    outgoing = model.second.weight.detach().norm(dim=0).mean()
    incoming = model.first.weight.detach().norm(dim=1).mean()
    candidates = proposed(context(model), steps=40, lr=0.5, epsilon=0.25, splits=0.0)
    own = [c for c in candidates if c.site == "first"]
    assert float(norms(own, ("second.weight", 1)).max()) <= 0.5 * outgoing * (1 + 1e-5)
    assert float(norms(own, ("first.weight", 0)).max()) <= 0.5 * incoming * (1 + 1e-5)
    # Trained that long, they press against the boundary.
    assert float(norms(own, ("second.weight", 1)).max()) >= 0.499 * outgoing


def test_behind_batch_normalisation_only_the_outgoing_side_is_small() -> None:
    """There the norm of the incoming weights has no effect."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    outgoing = model[3].weight.detach().norm(dim=0).mean()
    incoming = model[0].weight.detach().norm(dim=1).mean()
    own = proposed(context(model), steps=40, lr=0.5, epsilon=0.25, splits=0.0)
    assert float(norms(own, ("3.weight", 1)).max()) == pytest.approx(0.25 * float(outgoing), rel=1e-3)
    assert float(norms(own, ("0.weight", 0)).max()) > 0.5 * incoming


def test_candidates_are_trained_on_one_part_of_the_batches_and_scored_on_another() -> None:
    seen: list[int] = []
    event = context(mlp())
    batches = list(event.batches)

    def watched(model: nn.Module, batch: Any) -> Tensor:
        seen.append(next(i for i, each in enumerate(batches) if each is batch))
        return objective(model, batch)

    event.objective = watched
    proposed(event, steps=4, samples=2, points=1)
    assert seen[:4] == [0, 1, 2, 3] and sorted(seen[4:]) == [4, 5]
    how = strategy(Initializer, "how", {"firefly": {"steps": 4, "samples": 2}})
    assert how.batches() == 6


@pytest.mark.parametrize("build", [mlp, cnn])
def test_an_event_records_what_was_predicted_and_what_came(build: Any) -> None:
    """On the statistics batch itself; the prediction is exact but for the path and rounding."""
    model = build()
    batch = batch_for(model)
    event = growsearch.grow(
        model,
        batch[0],
        dict.fromkeys(trace(model, batch[0]).sites, 2),
        {"firefly": {"points": 32, "pool": 1.0, "epsilon": 0.3}},
        objective=objective,
        batches=[batch],
    )
    assert event.predicted_change is not None and event.measured_change is not None
    assert event.measured_change < 0 and event.output_change is not None and event.output_change > 1e-3
    assert event.predicted_change == pytest.approx(event.measured_change, rel=0.02)


def test_the_selector_lowers_the_loss_more_than_an_even_share() -> None:
    """Where one layer is the bottleneck, at the same number of units."""

    def bottleneck() -> nn.Sequential:
        torch.manual_seed(1)
        layers = [nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 1), nn.Tanh(), nn.Linear(1, 3)]
        return nn.Sequential(*layers)

    changes, where = [], []
    for name in ("uniform", "firefly"):
        model = bottleneck()
        optimizer = sgd(model)
        grower = grower_for(
            model,
            optimizer,
            when={"schedule": {"steps": [30]}},
            where=name,
            how={"firefly": {"steps": 20, "epsilon": 0.3}},
            budget={"units": 6},
        )
        (event,) = train(model, optimizer, grower, 30)
        changes.append(event.measured_change)
        where.append(event.sites)
    assert changes[0] is not None and changes[1] is not None and changes[1] < changes[0]
    assert where[1].get("2", 0) > where[0].get("2", 0)


def test_cost_aware_ranking_takes_the_cheaper_of_two_equals() -> None:
    model = mlp()
    event = context(model)
    candidates = [c for c in proposed(event, units=2, splits=0.0) if c.site == "first"]
    event.allowance = Allowance(dict.fromkeys(event.sites, 2), dict.fromkeys(event.sites, HUGE), 1)

    def first(per_cost: bool, dear: int) -> int:
        costly = [c if i != dear else _at_cost(c, 100) for i, c in enumerate(candidates)]
        where = strategy(Selector, "where", {"firefly": {"per_cost": per_cost}})
        (chosen,) = where.select(costly, event)
        return next(i for i, c in enumerate(costly) if c is chosen)

    best = first(False, 0)
    assert first(False, best) == best and first(True, best) == 1 - best


def _at_cost(candidate: Candidate, times: int) -> Candidate:
    return replace(candidate, parameters=times * candidate.parameters)


def test_a_unit_is_split_once_in_an_event() -> None:
    event = context(mlp())
    how = strategy(Initializer, "how", "split")
    copies = [replace(c, source=0) for c in how.propose({"second": 4}, event)]
    where = strategy(Selector, "where", {"firefly": {"step": 0.3}})
    assert len(where.select(copies, event)) <= 1


@pytest.mark.parametrize("missing", ["objective", "batches"])
def test_without_gradients_both_refuse(missing: str) -> None:
    event = context(mlp(), **{missing: None if missing == "objective" else ()})
    with pytest.raises(GrowthRefused, match="needs gradients"):
        proposed(event)
    with pytest.raises(GrowthRefused, match="needs gradients"):
        strategy(Selector, "where", "firefly").select([], event)


def test_a_loss_that_is_not_finite_is_named() -> None:
    event = context(mlp(), objective=lambda model, batch: objective(model, batch) * float("nan"))
    with pytest.raises(GrowthFailed, match="not finite"):
        proposed(event)


def test_dropout_leaves_candidates_and_random_numbers_alone() -> None:
    """The same candidates whatever the global generator holds; which is as it was afterwards."""

    def dropping() -> nn.Sequential:
        layers = list(mlp())
        return nn.Sequential(*layers[:2], nn.Dropout(0.5), *layers[2:]).train()

    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = dropping()
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        found.append([(dict(c.fills), c.predicted_change) for c in proposed(context(model), splits=0.0)])
        assert torch.equal(torch.get_rng_state(), state)
    assert all(same(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_unit_whose_twin_is_not_made_is_scored_by_itself(units: int) -> None:
    event = context(mlp())
    made = strategy(Initializer, "how", "variance_transfer").propose({"second": units}, event)
    assert event.objective is not None
    scores = gate_scores(event.model, event.graph, made, event.objective, event.batches)
    assert len(scores) == units and all(score < 0 for score in scores)


def test_units_that_the_loss_does_not_see_have_no_score() -> None:
    event = context(mlp())
    made = strategy(Initializer, "how", "zero").propose({"second": 2}, event)
    assert gate_scores(event.model, event.graph, made, lambda *_: torch.zeros(()), event.batches) == [0.0, 0.0]


def test_units_that_come_in_pairs_grow_one_by_one() -> None:
    model = mlp()
    inputs, targets = batch_for(model)
    grower = Grower(
        model,
        None,
        inputs,
        objective=objective,
        batches=[(inputs, targets)],
        when={"interval": {"every": 1, "count": 3}},
        where="firefly",
        how="variance_transfer",
        budget={"units": 3},
    )
    events = [grower.step() for _ in range(3)]
    assert [sum(event.sites.values()) for event in events if event is not None] == [1, 1, 1]

"""Law 4: gates score candidates by the loss they change, and what is installed is what was scored."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth import (
    Allowance,
    Candidate,
    GrowthContext,
    Initializer,
    NewLayer,
    NewUnit,
    Probes,
    Removal,
    Selector,
    Split,
    gate_scores,
    planned_edits,
)
from growsearch.growth.policy import strategy
from growsearch.growth.probe import path_slopes, together
from growsearch.surgery import apply_edits
from tests.laws.models import PATTERNS, Subject, randomise
from tests.laws.settings import cheap, is_exact

HUGE = 1 << 60
FEW, MANY = 8, 64
"""Points on a smooth path, and on one through the kinks of ReLUs and of maximum pooling."""


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


@pytest.fixture(params=PATTERNS, ids=lambda s: s.name)
def event(request: pytest.FixtureRequest) -> GrowthContext:
    """A growth of two units at every site of a network in float64, in train mode."""
    return context_for(request.param)


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks without kinks: those between closely spaced points would show as errors of more than 1 %."""
    monkeypatch.setattr(F, "relu", lambda x, inplace=False: F.silu(x))
    monkeypatch.setattr(F, "max_pool2d", lambda x, size: F.avg_pool2d(x, size))


def context_for(subject: Subject, deep: bool = False, **limits: int) -> GrowthContext:
    torch.manual_seed(0)
    model = subject.build()
    randomise(model)
    model.double()
    x = torch.randn((24, *subject.shape[1:]), dtype=torch.float64)
    graph = growsearch.trace(model, x)
    sites = {} if deep else {name: site for name, site in graph.sites.items() if site.kind == "exact"}
    depth_sites = graph.depth_sites if deep else {}
    requests = dict.fromkeys([*sites, *depth_sites], 1 if deep else 2)
    allowance = Allowance(requests, dict.fromkeys(requests, HUGE), limits.pop("units", HUGE), **limits)
    generator = torch.Generator().manual_seed(0)
    batches = [(x, torch.arange(len(x)) % 4)]
    return GrowthContext(model, graph, sites, depth_sites, allowance, generator, {}, objective, batches)


def proposed(event: GrowthContext, how: str = "firefly", **parameters: Any) -> list[Candidate]:
    spec = cheap("how", how, **parameters)
    return strategy(Initializer, "how", spec).propose(dict.fromkeys(event.names, 2), event)


def selector(**parameters: Any) -> Selector:
    return strategy(Selector, "where", {"firefly": parameters})


def probes_of(event: GrowthContext, candidates: list[Candidate], step: float = 0.01) -> Probes:
    return Probes(event.model, event.graph, candidates, objective, event.batches, step)


def loss_at(probes: Probes, event: GrowthContext, gates: Tensor) -> float:
    return float(probes.loss(gates, event.batches[0]).detach())


def removals(event: GrowthContext) -> list[Candidate]:
    return [Removal(name, 0, 0, 0, 0, exact=False) for name in event.sites]


def kinds(event: GrowthContext) -> Iterator[list[Candidate]]:
    """Every kind of candidate: learned, exact with one zero side, exact splits, removals."""
    for how in ("firefly", "random", "split"):
        found = proposed(event, how, splits=0.5)
        yield [found[place] for place in together(found)[0]]
    yield removals(event)


def test_the_score_of_one_gate_is_the_change_of_the_loss(smooth: None, event: GrowthContext) -> None:
    """Against finite differences, each candidate alone, its gate ever so little open: dL = score * gate."""
    judged = 0
    for candidates in kinds(event):
        for c in candidates:
            probes = probes_of(event, [c], step=0.2)
            small = 1e-3
            change = loss_at(probes, event, probes.gates(small)) - loss_at(probes, event, probes.gates(-small))
            slope = float(probes.slopes(probes.gates(0.0), event.batches)[0])
            assert abs(slope - change / (2 * small)) <= 0.01 * abs(slope) + 1e-6, c.site
            judged += abs(slope) > 1e-4
    assert judged > 3 * len(event.sites)


def test_the_score_of_one_candidate_is_its_whole_change_of_the_loss(smooth: None, event: GrowthContext) -> None:
    """From closed to open, far enough for a network that is not linear in the gate."""
    for candidates in kinds(event):
        for c in candidates:
            (score,) = gate_scores(event.model, event.graph, [c], objective, event.batches, points=FEW)
            probes = probes_of(event, [c])
            change = loss_at(probes, event, probes.gates(1.0)) - loss_at(probes, event, probes.gates(0.0))
            assert abs(score - change) <= 0.01 * abs(change) + 1e-6, (c.site, score, change)


def test_the_scores_of_all_candidates_sum_up_to_their_change_of_the_loss(smooth: None, event: GrowthContext) -> None:
    """Completeness: along the path on which all gates open together."""
    for candidates in kinds(event):
        probes = probes_of(event, candidates)
        change = loss_at(probes, event, probes.gates(1.0)) - loss_at(probes, event, probes.gates(0.0))
        scores = gate_scores(event.model, event.graph, candidates, objective, event.batches, points=FEW)
        assert abs(change) > 1e-5
        assert abs(sum(scores) - change) <= 0.01 * abs(change)
    # Negative control: for removals, far from small, the gradient at closed gates is not the change.
    closed = float(probes.slopes(probes.gates(0.0), event.batches).sum())
    assert abs(closed - change) > 0.05 * abs(change)


def test_scores_sum_up_through_kinks_too(event: GrowthContext) -> None:
    candidates = proposed(event, epsilon=0.3)
    probes = probes_of(event, candidates)
    change = loss_at(probes, event, probes.gates(1.0)) - loss_at(probes, event, probes.gates(0.0))
    assert abs(sum(path_slopes(probes, event.batches, MANY)) - change) <= 0.01 * abs(change)


def test_closed_gates_are_the_network_as_it_is_and_open_ones_the_installed_network(event: GrowthContext) -> None:
    candidates = proposed(event, epsilon=0.5)
    probes = probes_of(event, candidates)
    x = event.batches[0][0]
    grown = installed(event, candidates)
    with torch.no_grad():
        with probes.substituted(probes.gates(0.0)) as closed:
            assert torch.allclose(closed(x), event.model(x), rtol=1e-10, atol=1e-10)
        with probes.substituted(probes.gates(1.0)) as opened:
            assert torch.allclose(opened(x), grown(x), rtol=1e-10, atol=1e-10)
        assert not torch.allclose(grown(x), event.model(x), rtol=1e-3)


def test_the_installed_network_is_the_expanded_one_with_the_gates_of_the_selected_open(event: GrowthContext) -> None:
    candidates = proposed(event, epsilon=0.5)
    event.allowance = replace(event.allowance, units=len(candidates) // 2)
    chosen = selector().select(candidates, event)
    assert 0 < len(chosen) < len(candidates)
    probes = probes_of(event, candidates)
    gates = torch.tensor([float(any(c is other for other in chosen)) for c in candidates], dtype=torch.float64)
    x = event.batches[0][0]
    with torch.no_grad(), probes.substituted(gates) as restricted:
        assert torch.allclose(restricted(x), installed(event, chosen)(x), rtol=1e-10, atol=1e-10)


def installed(event: GrowthContext, chosen: list[Candidate]) -> nn.Module:
    grown = copy.deepcopy(event.model)
    apply_edits(grown, planned_edits(event.graph, chosen))
    return grown


def test_candidates_leave_the_model_untouched(event: GrowthContext) -> None:
    """Weights, running statistics, gradients, and the state of the global random numbers."""
    before = copy.deepcopy(event.model.state_dict())
    random = torch.get_rng_state()
    selector().select(proposed(event), event)
    assert all(torch.equal(value, before[name]) for name, value in event.model.state_dict().items())
    assert all(parameter.grad is None for parameter in event.model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_training_the_candidates_lowers_the_loss_and_keeps_them_in_their_balls(event: GrowthContext) -> None:
    lazy, trained = (proposed(event, steps=steps, epsilon=0.2, samples=1) for steps in (1, 15))
    changes = [sum(c.predicted_change or 0.0 for c in candidates) for candidates in (lazy, trained)]
    assert changes[1] < min(0.0, changes[0])
    for c in trained:
        # Per channel of grouped units a ball of its own.
        bound = 0.2 * sum(largest(event, c.site, role) for role in ("in", "out")) * event.sites[c.site].granularity
        moved = [first for first, _ in c.shifts.values()] if isinstance(c, Split) else outgoing(event, c)
        assert 0 < float(torch.cat([value.flatten() for value in moved]).norm()) <= bound


def outgoing(event: GrowthContext, c: Candidate) -> list[Tensor]:
    keys = [(use.tensor, use.axis) for use in event.sites[c.site].axes if use.role == "in"]
    return [c.fills[key] for key in keys]


def largest(event: GrowthContext, site: str, role: str) -> float:
    """Norm of all weights of one role: an upper bound of their mean over the units."""
    tensors = event.model.state_dict()
    uses = [use for use in event.sites[site].axes if use.role == role]
    return float(torch.cat([tensors[use.tensor].flatten() for use in uses]).norm())


@pytest.mark.parametrize("how", ["firefly", "gradmax", "random", "split", "zero"])
def test_the_budget_of_units_is_met_exactly(how: str) -> None:
    for units in (1, 3):
        event = context_for(PATTERNS[1], units=units)
        candidates = proposed(event, how)
        scores = gate_scores(event.model, event.graph, candidates, objective, event.batches)
        expected = min(units, sum(score < 0 for score in scores))
        chosen = selector().select(candidates, event)
        assert len(chosen) == expected, how
        if is_exact(how):
            assert all(c in candidates for c in chosen)


def test_a_budget_of_parameters_is_used_up_and_not_exceeded() -> None:
    event = context_for(PATTERNS[2])
    candidates = proposed(event)
    seed = sum(p.numel() for p in event.model.parameters())
    for budget in (60, 200):
        event.allowance = replace(event.allowance, parameters=seed + budget)
        chosen = selector().select(candidates, event)
        used = sum(p.numel() for p in installed(event, chosen).parameters())
        assert seed < used <= seed + budget
        scores = gate_scores(event.model, event.graph, candidates, objective, event.batches)
        for score, c in zip(scores, candidates, strict=True):
            fits = sum(p.numel() for p in installed(event, [*chosen, c]).parameters()) <= seed + budget
            assert score >= 0 or any(c is other for other in chosen) or not fits


def test_the_lowest_scores_win_and_none_that_says_that_the_loss_rises() -> None:
    event = context_for(PATTERNS[0])
    good = proposed(event, epsilon=0.5, steps=20)
    # Turned round, what lowered the loss raises it.
    bad = [replace(c, fills={**c.fills, **negated(event, c)}) for c in good if isinstance(c, NewUnit)]
    scores = gate_scores(event.model, event.graph, [*good, *bad], objective, event.batches)
    assert min(scores[: len(good)]) < 0 < max(scores[len(good) :])
    event.allowance = replace(event.allowance, units=3)
    chosen = selector().select([*good, *bad], event)
    lowest = sorted(range(len(scores)), key=lambda i: scores[i])[:3]
    assert [[*good, *bad].index(c) for c in chosen] == lowest
    event.allowance = replace(event.allowance, units=HUGE)
    assert len(selector().select([*good, *bad], event)) == sum(score < 0 for score in scores)


def negated(event: GrowthContext, c: Candidate) -> dict[tuple[str, int], Tensor]:
    return {(u.tensor, u.axis): -c.fills[u.tensor, u.axis] for u in event.sites[c.site].axes if u.role == "in"}


@pytest.mark.parametrize("subject", PATTERNS, ids=lambda s: s.name)
def test_inserted_layers_are_scored_by_their_change_of_the_loss(subject: Subject) -> None:
    event = context_for(subject, deep=True)
    candidates = proposed(event, "identity")
    assert len({c.insertion.layer for c in candidates if isinstance(c, NewLayer)}) >= 1
    probes = probes_of(event, candidates)
    base = float(objective(event.model, event.batches[0]).detach())
    assert loss_at(probes, event, probes.gates(0.0)) == pytest.approx(base, rel=1e-10)
    change = loss_at(probes, event, probes.gates(1.0)) - base
    scores = gate_scores(event.model, event.graph, candidates, objective, event.batches, points=MANY)
    assert change < 0 and abs(sum(scores) - change) <= 0.01 * abs(change)


def test_a_removal_at_its_end_is_the_network_without_the_unit(event: GrowthContext) -> None:
    for c in removals(event):
        probes = probes_of(event, [c])
        x = event.batches[0][0]
        with torch.no_grad(), probes.substituted(probes.gates(1.0)) as without:
            assert torch.allclose(without(x), installed(event, [c])(x), rtol=1e-10, atol=1e-10)


def test_an_exact_split_is_judged_by_the_curvature_alone(event: GrowthContext) -> None:
    """Whatever the shares of the copies: moving a unit along the gradient would lower the loss without any split."""
    splits = proposed(event, "split", noise=0.9)
    splits = [splits[place] for place in together(splits)[0]]
    assert len({round(c.share, 3) for c in splits}) > 1
    slopes = probes_of(event, splits, step=0.5).slopes(torch.zeros(len(splits), dtype=torch.float64), event.batches)
    assert float(slopes.abs().max()) < 1e-12


def test_changes_of_one_unit_are_scored_apart() -> None:
    event = context_for(PATTERNS[0])
    site = next(iter(event.sites))
    split, other = proposed(event, "split")[:2]
    split, other = replace(split, source=0), replace(other, source=0)
    removal = Removal(site, 0, 0, 0, 0, exact=False)
    assert together([split, removal, other]) == [[0], [1]]
    scores = gate_scores(event.model, event.graph, [split, removal, other], objective, event.batches)
    alone = [gate_scores(event.model, event.graph, [c], objective, event.batches)[0] for c in (split, removal)]
    assert scores == [*alone, 0.0]

"""Gauss-Newton morphisms: what is chosen is what pays."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import GrowthRefused, grow
from growsearch.growth.allowance import UNLIMITED
from growsearch_strategies.gauss_newton.joint import guarded, together
from growsearch_strategies.how.gauss_newton import GaussNewton
from growsearch_strategies.how.gradmax import GradMax
from growsearch_strategies.where.gauss_newton import GaussNewton as Where
from tests.strategies.gauss_newton_tasks import Batch, classes, cnn, context_of, data, loss, mlp, own_labels, proposed


def twins(seed: int = 6) -> tuple[nn.Sequential, list[Batch]]:
    """Unit 1 of the first layer is a copy of unit 0: each carries half of what both give."""
    torch.manual_seed(seed)
    model = mlp(nn.ReLU)
    with torch.no_grad():
        model.first.weight[1], model.first.bias[1] = model.first.weight[0], model.first.bias[0]  # type: ignore[index,union-attr,operator]
        model.second.weight[:, :2] = 1.5 * torch.randn(7, 1)  # type: ignore[index,union-attr]
    return model, own_labels(model)


def test_interactions_see_that_two_copies_cannot_both_go() -> None:
    model, batches = twins()
    context = context_of(model, batches)
    pair = [c for c in proposed(context) if c.site == "first" and c.unit in (0, 1) and not c.adds]
    predictions = [c.predicted_change or 0.0 for c in pair]
    both = float(together(pair).mean())
    assert both > 1.5 * sum(predictions) > 0
    # A penalty at which each alone is worth removing, and both are not.
    penalty = (max(predictions) + 0.5 * (both - max(predictions))) / 2 / -pair[0].parameters
    penalty = max(penalty, 1.05 * max(predictions) / -pair[0].parameters)
    chosen = {
        flag: Where(penalty=penalty, interactions=flag, most=1.0, error_margin=0.0).chosen_at_rate(
            pair, [float(c.parameters) for c in pair], penalty, context, 1.0
        )
        for flag in (False, True)
    }
    assert [len(chosen[flag]) for flag in (False, True)] == [2, 1]


def test_a_full_budget_moves_capacity_from_copies_to_where_it_lowers_the_loss() -> None:
    """The first layer holds every unit twice; the second is too narrow; parameters are used up."""
    torch.manual_seed(7)
    model = nn.Sequential(
        OrderedDict(first=nn.Linear(5, 8), a=nn.ReLU(), second=nn.Linear(8, 2), b=nn.ReLU(), head=nn.Linear(2, 3))
    ).double()
    with torch.no_grad():
        model.first.weight[4:], model.first.bias[4:] = model.first.weight[:4], model.first.bias[:4]  # type: ignore[index,union-attr,operator]
        model.second.weight[:, 4:] = model.second.weight[:, :4]  # type: ignore[index,union-attr]
    batches = [data(model, 256, seed) for seed in range(5)]
    batches = [(x, (x[:, :3] * 2).argmax(1)) for x, _ in batches]
    used = sum(p.numel() for p in model.parameters())
    context = context_of(model, batches, units=UNLIMITED, parameters=used)
    chosen = Where().select(proposed(context, data=5, steps=20), context)
    assert any(c.adds for c in chosen) and any(not c.adds and c.site == "first" for c in chosen)
    assert sum(c.parameters for c in chosen) <= 0
    ledger = context.ledger()
    assert all(ledger.take(c) for c in sorted(chosen, key=lambda c: c.adds)) and not ledger.over
    assert loss(context, chosen, batches[-1]) < loss(context, (), batches[-1])


def test_a_network_over_its_budget_is_pruned_down_to_it() -> None:
    torch.manual_seed(8)
    model = mlp(nn.ReLU, hidden=12)
    used = sum(p.numel() for p in model.parameters())
    context = context_of(model, [data(model, 64, s) for s in range(4)], units=0, parameters=int(0.6 * used))
    chosen = Where(most=0.25).select(proposed(context), context)
    left = used + context.ledger().cost.parameters({}) - used
    counts = {name: sum((1 if c.adds else -1) for c in chosen if c.site == name) for name in context.sites}
    assert left == used
    assert 0.4 * used < context.ledger().cost.parameters(counts) <= 0.6 * used


def test_removals_of_doubtful_price_need_a_higher_penalty() -> None:
    model, batches = twins()
    context = context_of(model, batches)
    removals = [c for c in proposed(context) if not c.adds]
    cost = [float(c.parameters) for c in removals]
    penalty = sorted((c.predicted_change or 0.0) / -c.parameters for c in removals)[4] * 1.001
    counts = [
        len(Where(error_margin=k, interactions=False).chosen_at_rate(removals, cost, penalty, context, 1.0))
        for k in (0, 3)
    ]
    assert counts[0] == 5 > counts[1]


def test_nothing_is_chosen_where_a_penalty_is_too_high_and_pruning_too_dear() -> None:
    model, batches = twins()
    context = context_of(model, batches)
    candidates = proposed(context)
    chosen = Where(penalty=1e9).select([c for c in candidates if c.adds], context)
    assert chosen == []
    free = Where(penalty=0.0).select([c for c in candidates if c.adds], context)
    assert len(free) > 0


def test_every_unit_is_changed_at_most_once() -> None:
    torch.manual_seed(9)
    model = mlp(nn.ReLU)
    context = context_of(model, [data(model, 64, s) for s in range(4)], units=20)
    for flag in (False, True):
        chosen = Where(interactions=flag, tolerance=100.0, most=1.0).select(proposed(context), context)
        units = [(c.site, c.unit) for c in chosen]
        assert len(units) == len(set(units)) > 0


def test_only_old_enough_units_are_split_or_removed() -> None:
    torch.manual_seed(9)
    model = mlp(nn.ReLU)
    context = context_of(model, [data(model)])
    context.minimum_age, context.ages = 10, {"first": [20, 5, 20, 5, 20, 5], "second": [0] * 7}
    assert {(c.site, c.unit) for c in proposed(context)} == {("first", 0), ("first", 2), ("first", 4)}


def test_the_guard_refuses_near_memorisation() -> None:
    """Training data that are fitted to the last bit promise a gain that the held-out data do not give."""
    torch.manual_seed(10)
    model = mlp(nn.ReLU, hidden=64)
    batches = [data(model, 12, seed) for seed in range(3)]
    seen = (torch.cat([x for x, _ in batches[:2]]), torch.cat([y for _, y in batches[:2]]))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        classes(model, seen).backward()
        optimizer.step()
    context = context_of(model, [seen, batches[2]], units=40)
    assert loss(context, (), seen) < 1e-3
    candidates = [c for c in proposed(context, data=2, reach=1e4, damping=1e-6) if c.adds]
    signed = [c for c in candidates if any(axis == 1 for _, axis in c.shifts)]
    pushed = [replace(c, shifts={k: (30 * a, 30 * b) for k, (a, b) in c.shifts.items()}) for c in signed[:8]]
    assert loss(context, pushed, batches[2]) > loss(context, (), batches[2]) * 1.05
    assert guarded(pushed, context, 0.0, lambda _, change: True) == []


def test_the_guard_keeps_the_better_half_where_only_a_part_is_refuted() -> None:
    model, batches = twins()
    context = context_of(model, batches)
    good = [c for c in proposed(context) if c.adds][:4]
    harmful = next(c for c in proposed(context) if not c.adds and c.site == "second")
    assert harmful.effects is not None
    nothing = tuple(torch.zeros_like(values) for values in harmful.effects)
    bad = replace(
        harmful, offsets={k: v + torch.tensor([50.0, 0, -50]) for k, v in harmful.offsets.items()}, effects=nothing
    )
    kept = guarded([*good, bad], context, 0.05, lambda _, change: True)
    assert all(c.adds for c in kept) and len(kept) == 2


def test_candidates_of_other_initializers_are_priced() -> None:
    """The larger gradient at a new unit, the larger its predicted gain."""
    torch.manual_seed(11)
    model = mlp(nn.ReLU)
    context = context_of(model, [data(model, 128, s) for s in range(4)], units=3)
    candidates = GradMax().propose({"first": 3, "second": 3}, context)
    chosen = Where().select(candidates, context)
    assert len(chosen) == 3
    assert all(c.effects is not None and float(c.effects[0].mean()) < 0 for c in chosen)


def test_the_growth_says_what_it_expected() -> None:
    torch.manual_seed(12)
    model = mlp(nn.ReLU)
    batch = data(model, 256)
    how = {"gauss_newton": {"steps": 5}}
    event = grow(model, batch[0][:4], {"first": 3}, how, objective=classes, batches=[batch])
    assert event.sites["first"] <= 3 and event.predicted_change is not None and event.predicted_change < 0
    assert event.measured_change == pytest.approx(event.predicted_change, rel=0.5)


@pytest.mark.parametrize("half", [False, True], ids=["autocast", "half"])
def test_half_precision_is_priced(half: bool) -> None:
    torch.manual_seed(12)
    model = cnn().float()
    x, y = data(model, 32)
    x = x.float()
    if half:
        model, x = model.bfloat16(), x.bfloat16()

    def objective(network: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=not half):
            return F.cross_entropy(network(batch[0]).float(), batch[1])

    context = context_of(model, [(x, y)] * 3, objective)
    chosen = Where(tolerance=10.0).select(proposed(context), context)
    assert chosen and all(c.predicted_change is not None and abs(c.predicted_change) < 10 for c in chosen)


def test_a_network_whose_output_cannot_be_seen_is_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(nn.ReLU)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.body(x)
            return y, y

    model = Two()
    batch = data(model.body)
    with pytest.raises(GrowthRefused, match="one tensor"):
        grow(
            model,
            batch[0],
            {"body.first": 1},
            "gauss_newton",
            objective=lambda m, b: F.cross_entropy(m(b[0])[0], b[1]),
            batches=[batch],
        )


def test_a_site_that_cannot_be_priced_is_left_out_and_alone_refused() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(5, 6)
            self.second = nn.Linear(6, 6)
            self.third = nn.Linear(6, 6)
            self.third.weight = self.second.weight
            self.fourth = nn.Linear(6, 4)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.third(F.relu(self.second(F.relu(self.first(x))))))
            out: Tensor = self.head(F.relu(self.fourth(x)))
            return out

    model = Tied().double()
    batch = data(mlp())
    context = context_of(model, [batch])
    tied = next(name for name, site in context.sites.items() if any(use.aliases for use in site.axes))
    found = GaussNewton(steps=1).propose({tied: 2, "fourth": 2}, context)
    assert {c.site for c in found} == {"fourth"}
    with pytest.raises(GrowthRefused, match="shared between layers"):
        GaussNewton(steps=1).propose({tied: 2}, context)

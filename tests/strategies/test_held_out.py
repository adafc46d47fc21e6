"""`where: held_out`: options are tried in copies, on batches that nothing else has seen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from pydantic import PrivateAttr
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from growsearch import Grower, GrowthRefused
from growsearch.growth import Candidate, GrowthContext
from growsearch.growth.step import Growing, Names, install
from growsearch.testing.subjects import CHAIN, SUBJECTS, Subject, objective
from growsearch.testing.training import same
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.how.random import Random
from growsearch_strategies.where.held_out import HeldOut, _copied, _options, _Trials
from tests.growth.tasks import batch_for, grower_for, mlp, sgd

SAMPLES = 2
BATCHES = 8


def trained(subject: Subject) -> tuple[nn.Module, list[Optimizer]]:
    """A network after three steps of two optimizers with state."""
    model = subject.model(torch.float64)
    parameters = list(model.parameters())
    optimizers: list[Optimizer] = [Adam(parameters[:3], lr=0.01), AdamW(parameters[3:], lr=0.02)]
    for seed in range(3):
        step(model, optimizers, subject.batch(seed, dtype=torch.float64))
    return model, optimizers


def step(model: nn.Module, optimizers: Sequence[Optimizer], batch: Any) -> None:
    model.zero_grad()
    objective(model, batch).backward()
    for optimizer in optimizers:
        optimizer.step()
    model.zero_grad()


def grower_of(subject: Subject, where: HeldOut, how: Any, **policy: Any) -> Grower:
    model, optimizers = trained(subject)
    batches = [subject.batch(seed, dtype=torch.float64) for seed in range(100, 100 + BATCHES)]
    settings = {"objective": objective, "batches": batches, "when": {"schedule": {"steps": [1]}}, "report": None}
    return Grower(model, optimizers, batches[0][0], where=where, how=how, **settings, **policy)


def really(subject: Subject, option: Sequence[Candidate], lag: int, context: GrowthContext) -> float:
    """The held-out loss of a network itself after it has grown the option and trained on."""
    model, optimizers = trained(subject)
    growing = Growing(model, context.batches[0][0], optimizers, (), objective)
    install(growing, context.graph, option, Names("", "", ""), 3, context.batches)
    for batch in context.batches[:lag]:
        step(model, optimizers, batch)
    with eval_no_dropout(model), torch.no_grad():
        return sum(float(objective(model, batch)) for batch in context.held_out) / SAMPLES


@pytest.mark.parametrize(
    ("subject", "how", "lag"),
    [
        (CHAIN, {"stack": {"blocks": 1, "order": "interleave"}}, 0),
        (CHAIN, {"stack": {"blocks": 1, "order": "interleave"}}, 3),
        (CHAIN, {"identity_blocks": {"blocks": 1, "order": "interleave"}}, 3),
        (SUBJECTS[0], "random", 3),
        (SUBJECTS[2], "split", 3),
        (SUBJECTS[2], {"firefly": {"steps": 2, "samples": 1}}, 0),
        (SUBJECTS[0], "identity", 3),
    ],
    ids=str,
)
def test_what_ends_lowest_in_real_training_is_installed(subject: Subject, how: Any, lag: int) -> None:
    where = HeldOut(lag=lag, samples=SAMPLES, multiplier=1)
    grower = grower_of(subject, where, how, budget={"units": 1})
    context = grower.context()
    proposed = grower.policy.how.propose(where.plan(context), context)
    options = _options(proposed, context)
    losses = [really(subject, option, lag, context) for option in options]
    trials = _Trials(context, objective, context.batches, lag, context.held_out, 0)

    assert len(options) > 1 and len(context.held_out) == SAMPLES and max(losses) > min(losses) * (1 + 1e-7)
    assert [trials.loss(option) for option in options] == pytest.approx(losses, rel=1e-10)
    assert where.select(proposed, context) == list(options[losses.index(min(losses))])


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize(
    ("subject", "how"),
    [(CHAIN, "stack"), (SUBJECTS[2], {"firefly": {"steps": 2, "samples": 1}}), (SUBJECTS[3], "identity")],
    ids=str,
)
def test_trying_leaves_no_trace(subject: Subject, how: Any, lag: int) -> None:
    where = HeldOut(lag=lag)
    grower = grower_of(subject, where, how)
    model, optimizers = grower._growing.model, grower._growing.optimizer
    assert isinstance(optimizers, list)

    def state() -> list[Any]:
        held = [id(p) for each in optimizers for group in each.param_groups for p in group["params"]]
        return [model.state_dict(), held, *(each.state_dict() for each in optimizers), torch.get_rng_state()]

    before = copy.deepcopy(state())
    context = grower.context()
    where.select(grower.policy.how.propose(where.plan(context), context), context)

    assert same(state(), before)


class _Watched(Random):
    """Random units; keeps the batches that it could see."""

    _seen: list[Any] = PrivateAttr(default_factory=list)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> Sequence[Candidate]:
        self._seen.extend(context.batches)
        return super().propose(plan, context)


def test_it_judges_on_batches_that_nothing_else_has_seen() -> None:
    trained_on, judged_on = set(), set()

    def listening(model: nn.Module, batch: Any) -> Tensor:
        (trained_on if model.training else judged_on).add(float(batch[0].sum()))
        return objective(model, batch)

    model, how, where = mlp(), _Watched(), HeldOut(lag=3, samples=2)
    batches = [batch_for(model, seed=seed) for seed in range(BATCHES)]
    marks = [float(batch[0].sum()) for batch in batches]
    context = grower_for(model, sgd(model), where=where, how=how, batches=batches, objective=listening).context()

    where.select(how.propose(where.plan(context), context), context)

    assert [float(batch[0].sum()) for batch in how._seen] == marks[:3]
    assert trained_on == set(marks[:3]) and judged_on == set(marks[3:5])
    assert [float(batch[0].sum()) for batch in context.fresh] == marks[5:6]


def test_every_block_of_a_chain_is_a_candidate() -> None:
    where = HeldOut(samples=1)
    context = grower_of(CHAIN, where, {"stack": {"blocks": 1}}).context()
    assert context.allowance.units == 1 and where.plan(context) == {"blocks": 2}


def test_without_a_lag_chance_decides_among_candidates_that_keep_the_function() -> None:
    def first(seed: int) -> str:
        event = grower_for(mlp(), where="held_out", how="zero", budget={"units": 1}, seed=seed).step()
        assert event is not None
        return next(iter(event.sites))

    found = [first(seed) for seed in range(8)]
    assert set(found) == {"first", "second"} and found == [first(seed) for seed in range(8)]


def test_a_lag_without_an_optimizer_is_refused() -> None:
    grower = grower_for(mlp(), where={"held_out": {"lag": 1}})
    with pytest.raises(GrowthRefused, match="give optimizer=..., or lag: 0"):
        grower.step()


def test_a_network_that_has_diverged_is_not_grown() -> None:
    model = mlp()
    inputs, targets = batch_for(model)
    event = grower_for(model, where="held_out", batches=[(inputs, targets * float("nan"))]).step()
    assert event is not None and event.refused is not None and "not finite on held-out batches" in event.refused


def test_an_option_that_cannot_be_made_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(graph: Any, option: Sequence[Candidate]) -> Any:
        raise GrowthRefused("for this test")

    where = HeldOut(lag=1)
    context = grower_of(SUBJECTS[0], where, "random").context()
    trials = _Trials(context, objective, context.batches, 1, context.held_out, 0)
    monkeypatch.setattr("growsearch_strategies.where.held_out.planned_edits", refusing)
    assert trials.loss([]) == float("inf")
    with pytest.raises(GrowthRefused, match="for this test"):  # nothing to choose where none can be made
        where.select(Random().propose(where.plan(context), context), context)


class _Scaled(torch.optim.SGD):
    """An optimizer with an attribute of its own."""

    def __init__(self, params: Any, lr: float, factor: float) -> None:
        super().__init__(params, lr=lr)
        self.factor = factor

    def step(self, closure: Any = None) -> None:
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.sub_(p.grad, alpha=group["lr"] * self.factor)


def test_a_copied_optimizer_is_whole_and_stands_alone() -> None:
    """A scheduler patches `step` of the object; the copy must not step the original."""
    model = mlp()
    optimizer = _Scaled(model.parameters(), 0.1, 2.0)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)
    before = copy.deepcopy(model.state_dict())
    memo: dict[int, Any] = {}
    twin = copy.deepcopy(model, memo)
    copied = _copied(optimizer, memo)

    objective(twin, batch_for(model)).backward()
    copied.step()

    assert same(dict(model.state_dict()), dict(before))
    gradient = twin.first.weight.grad
    assert gradient is not None
    assert torch.equal(twin.first.weight, model.first.weight - 0.2 * gradient)


def test_what_is_tried_counts_as_growth() -> None:
    def flops(lag: int) -> int:
        model = mlp()
        event = grower_for(model, sgd(model), where={"held_out": {"lag": lag, "multiplier": 1}}, how="random").step()
        assert event is not None
        return event.growth_flops

    def training_step(first: int, second: int) -> int:
        """Of 4 - first - second - 3, on 16 samples; no gradient of the inputs."""
        layers = (4 * first, first * second, 3 * second)
        return 16 * 2 * (3 * sum(layers) - layers[0])

    # A quarter of 4 or of 6 units more.
    assert flops(3) - flops(2) == flops(2) - flops(1) == training_step(5, 6) + training_step(4, 8)

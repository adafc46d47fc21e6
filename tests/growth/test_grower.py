"""A grower around a user's own loop."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR

import growsearch
from growsearch import Grower, GrowthRefused, InputError, registry
from growsearch.errors import GrowthFailed, GrowthWarning
from growsearch.growth import Progress, Scheduler
from growsearch.registry import names
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, same, sgd, train, widths
from tests.laws.settings import cheap
from tests.muon import without_muon

OPTIMIZERS: dict[str, Callable[[nn.Module], list[Optimizer]]] = {
    "sgd": lambda m: [SGD(m.parameters(), lr=0.05, momentum=0.9, nesterov=True)],
    "adam": lambda m: [Adam(m.parameters(), lr=0.01)],
    "adamw": lambda m: [AdamW(m.parameters(), lr=0.01)],
    "rmsprop": lambda m: [RMSprop(m.parameters(), lr=0.01)],
    "adagrad": lambda m: [Adagrad(m.parameters(), lr=0.05)],
    "nadam": lambda m: [NAdam(m.parameters(), lr=0.01)],
    "muon": lambda m: [
        torch.optim.Muon([p for p in m.parameters() if p.ndim == 2], lr=0.05),
        SGD([p for p in m.parameters() if p.ndim == 1], lr=0.05),
    ],
}
SCHEDULES: list[Callable[[Optimizer], LRScheduler]] = [
    lambda o: StepLR(o, 5, gamma=0.5),
    lambda o: CosineAnnealingLR(o, T_max=20),
]


def user_loop(
    model: nn.Module, optimizers: Sequence[Optimizer], schedules: Sequence[LRScheduler], grower: Grower, steps: int
) -> list[float]:
    batch = batch_for(model)
    losses = []
    for _ in range(steps):
        loss = objective(model, batch)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for schedule in schedules:
            schedule.step()
        grower.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("name", without_muon(OPTIMIZERS))
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["step", "cosine"])
def test_a_users_loop_goes_on_with_its_own_objects(name: str, schedule: Callable[[Optimizer], LRScheduler]) -> None:
    model = mlp()
    optimizers = OPTIMIZERS[name](model)
    schedules = [schedule(o) for o in optimizers]
    # The learning rates of the same loop without growth.
    twins = OPTIMIZERS[name](mlp())
    expected = [schedule(o) for o in twins]
    batch = batch_for(model)
    grower = Grower(
        model,
        optimizers if len(optimizers) > 1 else optimizers[0],
        batch[0],
        objective=objective,
        batches=[batch],
        when={"interval": {"every": 4, "count": 3}},
        how="gradmax",
        budget={"width": 2.0},
    )
    losses = user_loop(model, optimizers, schedules, grower, 20)
    for twin, its in zip(twins, expected, strict=True):
        for _ in range(20):
            twin.step()
            its.step()
    assert widths(grower) == {"first": 8, "second": 12}
    assert losses[-1] < losses[0]
    rates = [group["lr"] for o in optimizers for group in o.param_groups]
    assert rates == pytest.approx([group["lr"] for o in twins for group in o.param_groups])
    held = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()}


def test_a_one_cycle_schedule_stays_valid() -> None:
    """It changes momenta too."""
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
    twin = SGD(mlp().parameters(), lr=0.05, momentum=0.9)
    expected = OneCycleLR(twin, max_lr=0.1, total_steps=12)
    grower = grower_for(model, optimizer, how="random", when={"schedule": {"steps": [3, 6]}})
    user_loop(model, [optimizer], [schedule], grower, 10)
    for _ in range(10):
        twin.step()
        expected.step()
    assert len(grower.progress.events) == 2
    for key in ("lr", "momentum"):
        assert optimizer.param_groups[0][key] == pytest.approx(twin.param_groups[0][key])


def test_growth_without_an_optimizer_and_without_data() -> None:
    model = mlp()
    grower = Grower(model, None, torch.randn(3, 4), when={"interval": {"every": 2}})
    events = [grower.step() for _ in range(4)]
    assert [event is not None for event in events] == [False, True, False, True]
    assert (model.first.out_features, model.second.out_features) == (6, 10)


def test_the_graph_follows_the_network() -> None:
    model = mlp()
    grower = grower_for(model, how="zero", amount=0.5)
    assert widths(grower) == {"first": 4, "second": 6}
    event = grower.step()
    assert event is not None and event.widths == widths(grower) == {"first": 6, "second": 9}
    assert grower.graph.parameters == event.parameters_after


def test_reported_metrics_reach_the_scheduler() -> None:
    grower = grower_for(mlp(), how="zero", when={"plateau": {"metric": "loss", "mode": "min", "patience": 1}})
    grower.report(loss=1.0, accuracy=0.5)
    assert grower.step() is None
    grower.report(loss=1.0)
    assert grower.step() is not None
    assert grower.progress.metrics == {"loss": [(0, 1.0), (1, 1.0)], "accuracy": [(0, 0.5)]}


def test_a_metric_that_no_report_has_is_told() -> None:
    grower = grower_for(mlp(), how="zero", when="plateau")
    grower.report(val_acc=0.5)
    grower.report(val_loss=0.5)  # of the same step, which may be reported in parts
    grower.step()
    with pytest.warns(GrowthWarning, match=r"waits for 'validation_accuracy', .* \(they had val_acc, val_loss\)"):
        grower.report(val_acc=0.5)


def test_sites_restrict_growth_to_patterns() -> None:
    for patterns, expected in ((["first"], {"first"}), (["sec*", "nothing"], {"second"}), (["*"], {"first", "second"})):
        event = grower_for(mlp(), how="zero", sites=patterns).step()
        assert event is not None and set(event.sites) == expected


def test_patterns_that_match_nothing_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"sites \['frist'\] match none of first, second"):
        grower_for(mlp(), sites=["frist"])
    with pytest.raises(InputError, match="match none of .*act1"):
        grower_for(mlp(), how="identity", sites=["frist"])


def test_patterns_that_match_only_what_does_not_grow_say_why() -> None:
    x = torch.randn(3, 4)
    model = nn.Sequential(nn.Linear(4, 6), nn.Softmax(1), nn.Linear(6, 8), nn.GroupNorm(2, 8), nn.Linear(8, 2))
    with pytest.raises(InputError, match=r"sites \['0\*'\] match nothing that grows: '0' is frozen: combined by"):
        Grower(model, None, x, when="never", sites=["0*"])
    with pytest.raises(InputError, match=r"only by their full name, sites=\['2'\]"):
        Grower(model, None, x, when="never", sites=["2*"])


def test_statistics_take_the_first_batches_of_a_new_iterator() -> None:
    model = mlp()
    seen: list[int] = []

    class Loader:
        def __iter__(self) -> Any:
            for index in range(10):
                seen.append(index)
                yield batch_for(model, seed=index)

    grower = grower_for(model, how="gradmax", batches=Loader(), statistics_batches=3)
    grower.step()
    assert seen == [0, 1, 2, 3]  # the last one to measure the new units' gradients on
    grower.step()
    assert seen == [0, 1, 2, 3] * 2


def test_the_state_survives_a_file_of_plain_data() -> None:
    model = mlp()
    grower = grower_for(model, sgd(model), where="round_robin", how="random", amount=0.5)
    grower.report(validation_accuracy=0.25)
    grower.step()
    stream = io.BytesIO()
    torch.save(grower.state_dict(), stream)
    stream.seek(0)
    state = torch.load(stream, weights_only=True)
    other = grower_for(model, sgd(model), where="round_robin", how="random", amount=0.5)
    other.load_state_dict(state)
    assert same(other.state_dict(), grower.state_dict())
    assert other.progress.metrics == {"validation_accuracy": [(0, 0.25)]}
    # It is a copy: what happens later does not change it.
    grower.step()
    assert same(other.state_dict(), state)
    json.dumps(grower.architecture())


def test_a_state_of_other_strategies_is_taken_with_a_warning() -> None:
    model = mlp()
    state = grower_for(model, how="split").state_dict()
    other = grower_for(model, how="random")
    with pytest.warns(GrowthWarning, match="with how split; from now on growth goes by how random") as told:
        other.load_state_dict(state)
    assert told[0].filename == __file__
    grower_for(model, how="split").load_state_dict(state)  # without one
    del state["policy"]  # of a file from before
    other.load_state_dict(state)


def test_depth_is_accounted_layer_by_layer() -> None:
    model = cnn()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="identity", budget={"units": 3})
    before = grower.graph.parameters
    events = train(model, optimizer, grower, 5)
    assert len(events) == 3 and all(sum(event.sites.values()) == 1 for event in events)
    assert len(grower.insertions) == len(grower.architecture()["insertions"]) == 3
    assert grower.progress.events == [1, 2, 3] and grower.progress.exhausted
    assert grower.graph.parameters == sum(p.numel() for p in model.parameters()) > before
    assert events[0].parameters_before == before and events[-1].parameters_after == grower.graph.parameters


@pytest.mark.parametrize("measure", ["parameters", "flops"])
def test_depth_keeps_to_parameters_and_flops(measure: str) -> None:
    model = mlp()
    optimizer = sgd(model)
    seed = grower_for(model).graph
    limit = 2 * getattr(seed, measure)
    grower = grower_for(model, optimizer, how="identity", budget={measure: limit})
    events = train(model, optimizer, grower, 8)
    assert events and getattr(grower.graph, measure) <= limit
    for event in events:
        gain = getattr(event, f"{measure}_after") - getattr(event, f"{measure}_before")
        assert gain > 0


@pytest.mark.parametrize("where", names("where"))
def test_depth_at_named_places_only(where: str) -> None:
    model = mlp()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how="identity", where=cheap("where", where), sites=["act1"])
    events = train(model, optimizer, grower, 3)
    assert [list(event.sites) for event in events][0] == ["act1"]
    assert all(place.startswith("act1") for event in events for place in event.sites)


def test_a_refused_event_is_returned_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlp()
    grower = grower_for(model, sgd(model), how="random", amount=0.5)
    with monkeypatch.context() as patch:
        patch.setattr("growsearch.growth.step.output_change", lambda *_: [0.5, 0.5])
        event = grower.step()
    assert event is not None and event.refused is not None
    assert "rolled back" in event.refused and "changed the outputs by 0.5" in event.refused
    assert event.sites == {} and event.widths == {"first": 4, "second": 6} and event.step == 1
    assert event.parameters_after == event.parameters_before and event.flops_after == event.flops_before
    assert json.loads(json.dumps(event.to_json()))["refused"] == event.refused
    assert grower.progress.events == [] and model.first.out_features == 4
    again = grower.step()
    assert again is not None and again.refused is None and grower.progress.events == [2]


def test_statistics_that_diverged_refuse_the_event() -> None:
    model = mlp()
    x, y = batch_for(model)
    grower = grower_for(model, how="gradmax", batches=[(x, y * float("nan"))])
    event = grower.step()
    assert event is not None and event.refused is not None and "diverged" in event.refused


def test_an_unsupported_optimizer_is_refused_before_anything_changes() -> None:
    model = mlp()
    with pytest.raises(InputError, match="cannot follow a growth: Adafactor"):
        grower_for(model, torch.optim.Adafactor(model.parameters()), how="zero")
    with pytest.raises(GrowthRefused, match="Adafactor"):
        growsearch.grow(model, batch_for(model)[0], {"first": 2}, optimizer=torch.optim.Adafactor(model.parameters()))
    assert model.first.out_features == 4


def test_a_used_up_budget_ends_growth() -> None:
    model = mlp()
    grower = grower_for(model, how="zero", budget={"units": 3})
    assert grower.step() is not None
    assert [grower.step() for _ in range(3)] == [None] * 3
    assert grower.progress.exhausted


def test_a_scheduler_of_the_users_own() -> None:
    class Odd(Scheduler):
        summary = "at odd steps"
        source = "a test"

        def due(self, progress: Progress) -> bool:
            return progress.step % 2 == 1

    grower = grower_for(mlp(), how="zero", when=Odd())
    events = [grower.step() for _ in range(4)]
    assert [event is not None for event in events] == [True, False, True, False]
    assert events[0] is not None and events[0].when == "Odd"


def test_a_package_that_cannot_be_imported_hinders_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("aaa_broken", "no_such_package_of_a_test:Broken", "growsearch.how")
    installed = registry._installed
    added = {"how": {"aaa_broken": broken}}
    monkeypatch.setattr(registry, "_installed", lambda group: {**installed(group), **added.get(group, {})})

    event = grower_for(mlp(), how="zero", when={"interval": {"every": 1}}).step()

    assert event is not None and event.how == "zero"
    with pytest.raises(InputError, match="aaa_broken.*No module named.*install its package again, or uninstall it"):
        grower_for(mlp(), how="aaa_broken")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"when": "sometimes"}, r"unknown scheduler \(when\) 'sometimes'"),
        ({"where": "unifrom"}, "did you mean 'uniform'"),
        ({"how": "gradmx"}, "did you mean 'gradmax'"),
        ({"when": "interval"}, "interval: every: missing \\(parameters"),
        ({"when": {"interval": {"evry": 3}}}, "unknown parameter 'evry' .did you mean 'every'"),
        ({"when": {"interval": {"every": 0}}}, "allowed 1 or more"),
    ],
)
def test_bad_policies_are_explained(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grower_for(mlp(), **policy)


@pytest.mark.parametrize("lacking", [{"objective": None}, {"batches": None}, {"batches": []}])
@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"how": "gradmax"}, "how gradmax needs gradient matrix: give objective=... and batches=..."),
        ({"how": "firefly"}, "how firefly needs gradients"),
        ({"where": "splitting"}, "where splitting needs gradients"),
        ({"where": "held_out"}, "where held_out needs losses"),
        ({"when": {"singular_value": {"threshold": 1.0}}}, "when singular_value needs gradient matrix"),
    ],
)
def test_what_needs_measuring_is_refused_before_training(
    policy: dict[str, Any], message: str, lacking: dict[str, Any]
) -> None:
    given = {"objective": lambda model, batch: model(batch).square().mean(), "batches": [torch.randn(8, 4)]}
    grower_for(mlp(), **policy, **given)
    with pytest.raises(InputError, match=message):
        grower_for(mlp(), **policy, **given | lacking)


def test_errors_of_the_users_own_objective_are_not_hidden() -> None:
    def broken(model: nn.Module, batch: Any) -> torch.Tensor:
        raise KeyError("labels")

    model = mlp()
    grower = grower_for(model, how="gradmax", objective=broken)
    with pytest.raises(KeyError, match="labels"):
        grower.step()
    assert model.first.out_features == 4
    assert not issubclass(KeyError, GrowthFailed)


def test_singular_values_decide_when_and_where_together() -> None:
    """One pass serves both: the event installs only units above the threshold that called for it."""
    model = mlp()
    passes = []

    def counted(net: nn.Module, batch: Any) -> torch.Tensor:
        if torch.is_grad_enabled():
            passes.append(1)
        return objective(net, batch)

    bar = {"threshold": 1e-4, "relative": False}
    grower = Grower(
        model,
        None,
        batch_for(model)[0],
        objective=counted,
        batches=[batch_for(model)],
        when={"singular_value": {**bar, "every": 2}},
        where={"singular_value": bar},
        how="gradmax",
        amount=0.5,
    )
    assert grower.step() is None
    assert not passes
    event = grower.step()
    assert event is not None and event.refused is None and event.sites
    assert grower.progress.metrics["largest_singular_value"][0][0] == 2
    # One for one value of each site, one for as many as are needed, one for the gradients of the new units.
    assert len(passes) == 3

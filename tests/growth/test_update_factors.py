"""Learning rates of the weights of each event: what an optimizer's step does is multiplied, weight by weight."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from growsearch import Grower, InputError
from growsearch.growth import NewUnitSettings, Progress, Rewarm
from growsearch.growth.births import Births, parameter_shapes
from growsearch.growth.update_factors import UpdateFactors
from growsearch.optimizers import offered_names
from growsearch.registry import lookup
from growsearch.surgery import AxisEdit, Insertion, apply_edits
from growsearch.testing.subjects import SUBJECTS, objective
from growsearch.testing.training import GrowingRun, resumed, same
from tests.growth.tasks import batch_for, mlp, train

Build = Callable[[nn.Module], Optimizer]
COHORT = NewUnitSettings(learning_rate="cohort", floor=0.0)
MOMENTUM: dict[str, Any] = {"momentum": 0.9, "weight_decay": 0.01}


def built(name: str) -> Build:
    """One of the optimizers that a file can name, over the parameters of a model."""
    options = {"sgd": {**MOMENTUM, "nesterov": True}, "rmsprop": MOMENTUM, "adamw": {"weight_decay": 0.1}}
    return lambda model: lookup("optimizers", name)(lr=0.01, **options.get(name, {})).build(
        dict(model.named_parameters())
    )


def grown(build: Build, settings: NewUnitSettings, steps: int = 5, every: int = 2) -> tuple[nn.Module, Optimizer, Any]:
    """Trained with events after steps 2 and 4 (of `every` 2)."""
    model = mlp(bias=False).double()
    optimizer = build(model)
    batch = tuple(part.double() for part in batch_for(model))
    policy: dict[str, Any] = {"when": {"interval": {"every": every}}, "how": "split", "amount": 0.5, "batches": [batch]}
    grower = Grower(model, optimizer, batch[0], objective=objective, new_units=settings, **policy)
    events = [_step(model, optimizer, grower, batch) for _ in range(steps)]
    assert [event.step for event in events if event] == list(range(every, steps + 1, every))
    return model, optimizer, (grower, batch)


def _step(model: nn.Module, optimizer: Optimizer, grower: Grower, batch: Any) -> Any:
    objective(model, batch).backward()
    optimizer.step()
    optimizer.zero_grad()
    return grower.step()


def plain_update(model: nn.Module, optimizer: Optimizer, batch: Any) -> dict[str, Tensor]:
    """What the optimizer would do without anything around it: the same class, state and groups, on a copy."""
    twin = copy.deepcopy(model)
    own = dict(zip(model.parameters(), twin.parameters(), strict=True))
    other = type(optimizer)([own[p] for p in optimizer.param_groups[0]["params"]], lr=1.0)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    before = {name: p.detach().clone() for name, p in twin.named_parameters()}
    objective(twin, batch).backward()
    other.step()
    return {name: p.detach() - before[name] for name, p in twin.named_parameters()}


@pytest.mark.parametrize("name", offered_names())
def test_a_cohort_moves_as_far_as_its_norm_says(name: str) -> None:
    """At each weight the optimizer's own update times ||W_k|| / ||W_0||, whatever the optimizer makes of a gradient."""
    model, optimizer, (_, batch) = grown(built(name), COHORT)
    weight = model.get_parameter("first.weight").detach().clone()
    expected = plain_update(model, optimizer, batch)["first.weight"]

    objective(model, batch).backward()
    optimizer.step()

    # `first` had 4 units and gained 2 at steps 2 and 4; its rows tell the cohorts.
    parts = (weight[:4], weight[4:6], weight[6:8])
    ratios = [float(part.norm() / weight[:4].norm()) for part in parts]
    assert all(abs(ratio - 1) > 0.02 for ratio in ratios[1:])
    factors = torch.tensor([r for r, part in zip(ratios, parts, strict=True) for _ in part], dtype=torch.float64)
    moved = model.get_parameter("first.weight").detach() - weight
    torch.testing.assert_close(moved, expected * factors[:, None], rtol=1e-9, atol=1e-15)
    assert float(expected[4:].abs().max()) > 1e-6


def test_biases_keep_the_base_rate() -> None:
    """Those of new units often start at 0, and a norm of a few numbers says little."""
    model = nn.Sequential(nn.Linear(2, 3))
    births = Births()
    shapes = parameter_shapes(model)
    edits = [AxisEdit("0.weight", 0, (0, 1, 2, -1)), AxisEdit("0.bias", 0, (0, 1, 2, -1))]
    apply_edits(model, edits)
    births.update(shapes, edits, model, 5)
    factors = UpdateFactors(COHORT, births, Progress(step=6))

    bias, weight = (
        factors.of(name, parameter.detach()) for name, parameter in reversed(list(model.named_parameters()))
    )

    assert isinstance(bias, Tensor) and bias.tolist() == [1.0] * 4
    assert isinstance(weight, Tensor) and weight[3].tolist() == [0.0, 0.0]


def test_a_weight_between_two_events_belongs_to_the_later_one() -> None:
    model, _, (grower, _) = grown(built("sgd"), COHORT)

    born = grower._births.of("second.weight", model.get_parameter("second.weight"))

    assert born is not None and born.shape == (12, 8)
    assert born[:6, :4].unique().tolist() == [0]
    assert born[6:9, :6].unique().tolist() == [2] and born[:6, 4:6].unique().tolist() == [2]
    assert born[9:].unique().tolist() == [4] and born[:, 6:].unique().tolist() == [4]


def test_no_cohort_falls_below_the_floor() -> None:
    """Weights that start at 0 have a norm of 0: at the floor they move, without one they never would."""

    def moved(floor: float) -> Tensor:
        torch.manual_seed(0)
        model = mlp()
        optimizer = SGD(model.parameters(), 0.1)
        batch = batch_for(model)
        settings = NewUnitSettings(learning_rate="cohort", floor=floor)
        policy: dict[str, Any] = {"when": {"schedule": {"steps": [1]}}, "how": "zero", "sites": ["second"]}
        grower = Grower(model, optimizer, batch[0], objective=objective, batches=[batch], new_units=settings, **policy)
        train(model, optimizer, grower, 2)
        return model.get_parameter("head.weight").detach()[:, 6:]

    assert float(moved(0.0).abs().max()) == 0.0
    assert float(moved(0.1).abs().max()) > 0.0
    torch.testing.assert_close(moved(0.2), 2 * moved(0.1), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("scope", ["new", "all"])
def test_the_rate_rises_again_after_an_event(scope: Any) -> None:
    """Over 3 steps by 1/4, 2/4, 3/4, then whole: of all weights, or of the new ones."""
    settings = NewUnitSettings(rewarm=Rewarm(3, scope))
    model, optimizer, (grower, batch) = grown(built("adamw"), settings, steps=5, every=5)
    for factor in (0.25, 0.5, 0.75, 1.0):
        before = model.get_parameter("first.weight").detach().clone()
        expected = plain_update(model, optimizer, batch)["first.weight"]
        objective(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        grower.progress.step += 1  # no further event
        moved = model.get_parameter("first.weight").detach() - before
        old = factor if scope == "all" else 1.0
        torch.testing.assert_close(moved[:4], old * expected[:4], rtol=1e-9, atol=1e-15)
        torch.testing.assert_close(moved[4:], factor * expected[4:], rtol=1e-9, atol=1e-15)
        # What has a factor of 1 moves as ever, bit for bit.
        assert scope == "all" or torch.equal(moved[:4], expected[:4])


def test_births_follow_splits_removals_and_inserted_layers() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    births = Births()
    for step, edits in (
        (5, [AxisEdit("0.weight", 0, (0, 1, 2, 1, -1)), AxisEdit("0.bias", 0, (0, 1, 2, 1, -1))]),
        (7, [AxisEdit("0.weight", 0, (0, 2, 3, 4, -1)), AxisEdit("0.bias", 0, (0, 2, 3, 4, -1))]),
        (9, [Insertion("1", "identity", 5, 0, 1)]),
    ):
        shapes = parameter_shapes(model)
        if step == 5:
            edits = [*edits, AxisEdit("2.weight", 1, (0, 1, 2, 1, -1))]
        if step == 7:
            edits = [*edits, AxisEdit("2.weight", 1, (0, 2, 3, 4, -1))]
        apply_edits(model, edits)
        births.update(shapes, edits, model, step)

    def born(name: str) -> Any:
        found = births.of(name, model.get_parameter(name))
        return None if found is None else found.tolist()

    assert born("0.bias") == [0, 0, 5, 5, 7]
    assert born("0.weight") == [[0, 0], [0, 0], [5, 5], [5, 5], [7, 7]]
    assert born("2.weight") == [[0, 0, 5, 5, 7]] * 2
    assert born("2.bias") is None
    assert born("1.1.weight") == [[9] * 5] * 5
    again = Births()
    again.load_state_dict(births.state_dict())
    assert again.state_dict() == births.state_dict()


@pytest.mark.parametrize(
    "settings",
    [
        NewUnitSettings(learning_rate="cohort"),
        NewUnitSettings(rewarm=Rewarm(3, "all"), boost=2.0, steps=2, learning_rate="cohort"),
        NewUnitSettings(rewarm=Rewarm(3, "new")),
    ],
    ids=["cohort", "everything", "rewarm"],
)
def test_a_run_with_rates_of_its_own_is_resumed_bit_for_bit(settings: NewUnitSettings, tmp_path: Path) -> None:
    policy: dict[str, Any] = {"how": "random", "amount": 0.5, "new_units": settings}
    whole, plain = GrowingRun(SUBJECTS[2], **policy), GrowingRun(SUBJECTS[2], how="random", amount=0.5)
    whole.train(6)
    plain.train(6)

    again = resumed(3, 6, tmp_path / "checkpoint.pt", SUBJECTS[2], **policy)

    assert same(again.state(), whole.state())
    assert not same(plain.state()["model"], whole.state()["model"])


@pytest.mark.parametrize("wrong", [{"floor": 2.0}, {"learning_rate": "fast"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        NewUnitSettings(**wrong)
    with pytest.raises(InputError, match="scope new or all"):
        Rewarm(0)


def test_rates_of_their_own_need_the_optimizer() -> None:
    model = mlp()
    with pytest.raises(InputError, match="need the optimizer"):
        Grower(model, None, batch_for(model)[0], when="never", new_units=COHORT)

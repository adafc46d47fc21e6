"""Models of a table: what they tell, what is searched on them, and what they say matters."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from growsearch.search.drawing import quasi_random
from growsearch.tables.encoding import rows
from growsearch.tables.importance import Anova, groups_of
from growsearch.tables.outcomes import Pool
from growsearch.tables.replay import Arm, replay_modelled
from growsearch.tables.rules import Rule
from growsearch.tables.surrogate import Surrogate
from tests.tables.conftest import SPACE, synthetic

PLAIN = Rule(rungs=(), race="none")


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate(Pool(synthetic(configurations=120, noise=0.1)), trees=40)


def truth_of(point: dict[str, float]) -> float:
    return abs(float(np.log10(point["training.optimizer.lr"])) + 1.0)


def test_a_model_tells_configurations_that_it_has_not_seen(surrogate: Surrogate) -> None:
    points = [quasi_random(SPACE, 7, index) for index in range(30)]
    told = [surrogate.truth(surrogate.settle(point)[0], "validation_accuracy") for point in points]
    assert np.corrcoef(told, [truth_of(point) for point in points])[0, 1] > 0.95


def test_what_a_model_is_worth_is_stated_by_configurations_left_out(surrogate: Surrogate) -> None:
    found = surrogate.quality["validation_accuracy at the end"]
    assert found.r2 > 0.8 and found.rank > 0.9
    nothing = Surrogate(Pool(synthetic(configurations=40, noise=50.0)), trees=10)
    assert nothing.quality["validation_accuracy at the end"].r2 < 0.2


@pytest.fixture(scope="module")
def unsteady() -> Surrogate:
    """Of a table in which bad configurations are noisy, towards even worse, and good ones are not."""
    table = synthetic(configurations=120, noise=0.0, early_noise=0.0)
    curves = {name: array.copy() for name, array in table.curves.items()}
    bad = curves["validation_loss"][:, 0, -1] > 0.6
    luck = np.where(bad[:, None], np.random.default_rng(0).normal(0, 0.3, (120, 8)), 0.0)
    curves["validation_loss"] += 0.1 + np.abs(luck)[:, :, None]
    return Surrogate(Pool(replace(table, curves=curves)), trees=40)


def ends_of(surrogate: Surrogate) -> dict[float, np.ndarray]:
    """The losses of 40 points at their ends, by the truth about them."""
    points = [quasi_random(SPACE, 7, index) for index in range(40)]
    settled = {truth_of(point): surrogate.settle(point)[0] for point in points}
    return {truth: surrogate.outcomes(n).measures["validation_loss"][:, -1] for truth, n in settled.items()}


def test_the_noise_of_a_point_is_that_of_configurations_as_good_as_it(unsteady: Surrogate) -> None:
    spread = {truth: float(end.std()) for truth, end in ends_of(unsteady).items()}
    assert max(one for truth, one in spread.items() if truth < 0.4) < 0.02
    assert min(one for truth, one in spread.items() if truth > 0.8) > 0.05


def test_no_seed_of_a_point_is_better_than_the_best_of_the_table(unsteady: Surrogate) -> None:
    every = [unsteady.pool.outcomes(number) for number in range(unsteady.pool.count)]
    lowest = min(one.measures["validation_loss"].min() for one in every)
    assert min(end.min() for end in ends_of(unsteady).values()) >= lowest - 1e-12


def test_a_sampler_searches_the_model_the_same_way_every_time(surrogate: Surrogate) -> None:
    arm = Arm(PLAIN, sampler="tpe")
    one, again = replay_modelled(surrogate, arm, 20, 1), replay_modelled(surrogate, arm, 20, 1)
    assert one == again and one.replayed.begun == 20
    random = [replay_modelled(surrogate, Arm(PLAIN, sampler="random"), 20, repeat).truth for repeat in range(4)]
    tpe = [replay_modelled(surrogate, arm, 20, repeat).truth for repeat in range(4)]
    assert fmean(tpe) < fmean(random) + 0.05


def test_where_and_how_count_only_in_networks_that_grow() -> None:
    known = {
        "growth.when": CategoricalDistribution(("never", "interval")),
        "growth.how": CategoricalDistribution(("random", "split")),
        "network.width": FloatDistribution(0.5, 1.0),
    }
    points = [
        {"growth.when": when, "growth.how": how, "network.width": 0.75}
        for when in ("never", "interval")
        for how in ("random", "split")
    ]
    never, also, random, split = rows(known, points)
    np.testing.assert_array_equal(never, also)
    assert never[-1] == 0.5 and not np.array_equal(random, split)


def test_parameters_are_grouped_by_what_they_decide() -> None:
    names = ["network.width", "training.optimizer", "training.optimizer.sgd.lr", "training.optimizer.adamw.lr"]
    names += ["growth.when", "growth.when.interval.every", "growth.where", "growth.how", "growth.how.random.scale"]
    assert groups_of(names) == {
        "seed network's size": ("network.width",),
        "optimizer": ("training.optimizer",),
        "learning rate": ("training.optimizer.sgd.lr", "training.optimizer.adamw.lr"),
        "when": ("growth.when",),
        "parameters of when": ("growth.when.interval.every",),
        "where": ("growth.where",),
        "how": ("growth.how",),
        "parameters of how": ("growth.how.random.scale",),
    }


def test_what_decides_alone_is_said_to_explain_nearly_everything() -> None:
    table = synthetic(configurations=100, noise=0.05)
    target = table.ends("validation_loss").mean(axis=1)
    found = Anova(table, points=256, trees=20).importances(target, repeats=10)
    assert found["learning rate"].alone.value > 0.9
    assert 0.85 < found["learning rate"].total.low < found["learning rate"].total.high
    for group in ("when", "parameters of when", "seed network's size"):
        assert found[group].total.high < 0.1


def test_interactions_count_in_the_total_only() -> None:
    table = synthetic(configurations=200, noise=0.0)
    place = {name: table.parameters.index(name) for name in ("network.width", "training.optimizer.lr")}
    width, lr = (
        table.values[:, place["network.width"]] - 0.75,
        np.log10(table.values[:, place["training.optimizer.lr"]]),
    )
    found = Anova(table, points=1024, trees=40).importances(width * (lr + 1.0), repeats=2)
    for group in ("learning rate", "seed network's size"):
        assert found[group].alone.value < 0.25 < 0.6 < found[group].total.value


def test_the_mean_of_an_option_is_over_all_else() -> None:
    table = synthetic(configurations=100, noise=0.0)
    grows = table.values[:, table.parameters.index("growth.when")] == 1
    found = Anova(table, points=128, trees=20).option_means(np.where(grows, 2.0, 1.0), "growth.when", repeats=3)
    assert found["never"].value == pytest.approx(1.0, abs=0.05)
    assert found["interval"].value == pytest.approx(2.0, abs=0.05)


def test_a_model_of_few_seeds_has_enough_for_a_race_with_as_much_noise_as_runs_have() -> None:
    """The differences of three seeds from their mean have but two thirds of a run's variance."""
    table = synthetic(configurations=200, seeds=3, noise=0.05, early_noise=0.05)
    table = replace(table, curves={**table.curves, "validation_loss": table.curves["validation_loss"] + 1})
    found = Surrogate(Pool(table), trees=20)

    numbers = [found.settle(quasi_random(SPACE, 7, index))[0] for index in range(100)]
    noise = [np.log(found.outcomes(one).measures["validation_loss"][:, -1]).var(ddof=1) for one in numbers]

    assert found.seeds == 8 and all(len(found.outcomes(one).succeeds) == 8 for one in numbers)
    truly = np.log(table.curves["validation_loss"][:, :, -1]).var(axis=1, ddof=1).mean()
    assert fmean(noise) == pytest.approx(truly, rel=0.15)


def test_a_model_of_a_tiny_table_has_as_many_seeds() -> None:
    found = Surrogate(Pool(synthetic(configurations=2, seeds=3)), trees=2)
    number, _ = found.settle(quasi_random(SPACE, 7, 0))
    assert len(found.outcomes(number).succeeds) == found.seeds == 8

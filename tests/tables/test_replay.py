"""Replayed searches: the rules are those of real ones, and the better rule wins where it is known."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import optuna
import pytest

from growsearch.config import SearchConfig
from growsearch.config.search_config import RaceConfig
from growsearch.errors import InputError
from growsearch.search.samplers import make_pruner
from growsearch.tables import GrowthTable
from growsearch.tables.outcomes import Outcomes, Pool
from growsearch.tables.proposing import Shuffled
from growsearch.tables.racing import race
from growsearch.tables.replay import Arm, best, replay, truths
from growsearch.tables.rules import BEFORE, Rule, Rung, RungBoard
from growsearch.tables.simulation import Simulation
from tests.tables.conftest import synthetic

PLAIN = Rule(rungs=(), race="none")
RACE = RaceConfig(top=4, seeds=4)


def mean_truth(table: GrowthTable, arm: Arm, budget: float, repeats: int = 60) -> float:
    pool = Pool(table)
    return fmean(replay(pool, arm, budget, repeat).truth for repeat in range(repeats))


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_replay_is_the_same_every_time_and_others_differ(table: GrowthTable, sampler: str) -> None:
    arm = Arm(sampler=sampler)
    one, again, other = (replay(Pool(table), arm, 24, repeat) for repeat in (3, 3, 4))
    assert one == again
    assert one.replayed.choices != other.replayed.choices


def test_a_race_is_better_where_runs_are_noisy() -> None:
    noisy = synthetic(noise=0.5)
    raced = mean_truth(noisy, Arm(replace(PLAIN, race=RACE)), 48)
    assert raced < mean_truth(noisy, Arm(PLAIN), 48) - 0.02


def test_a_rung_is_better_where_it_tells_the_end_and_worse_where_it_misleads() -> None:
    rung = replace(PLAIN, rungs=(Rung(0.2),), holds_back=False)
    honest, misleading = synthetic(noise=0.05), synthetic(noise=0.05, early_noise=0.05, misleading=True)
    assert mean_truth(honest, Arm(rung), 12) < mean_truth(honest, Arm(PLAIN), 12) - 0.02
    without = mean_truth(misleading, Arm(PLAIN), 24)
    assert mean_truth(misleading, Arm(rung), 24) > without + 0.1


def test_a_rung_that_misleads_is_held_back_once_that_is_known() -> None:
    misleading = synthetic(noise=0.05, early_noise=0.05, misleading=True)
    trusting, careful = (replace(PLAIN, rungs=(Rung(0.2),), holds_back=known) for known in (False, True))
    assert mean_truth(misleading, Arm(careful), 40) < mean_truth(misleading, Arm(trusting), 40) - 0.05


def test_good_starts_help_and_wrong_ones_cost_little(table: GrowthTable) -> None:
    none, good, wrong = (mean_truth(table, Arm(PLAIN, start=start), 8) for start in ("none", "good", "wrong"))
    assert good < none - 0.02 < none < wrong < none + 0.3


def test_stopping_is_what_optunas_pruner_does() -> None:
    pruner = make_pruner(SearchConfig(pruner="asha"))
    study, board = optuna.create_study(pruner=pruner), RungBoard(3)
    kept = []
    for order, cost in enumerate(np.random.default_rng(0).integers(0, 20, 40).astype(float)):
        trial = study.ask()
        trial.report(cost, 1)
        kept.append(board.keeps(order, cost))
        assert kept[-1] != trial.should_prune()
        study.tell(trial, cost)
    assert 5 < sum(kept) < 30


def test_promotion_goes_on_with_what_ranks_well_later() -> None:
    board = RungBoard(3)
    promoted = []
    for order, cost in enumerate([0.5, 0.1, 0.9, 0.8, 0.7, 0.6]):
        board.keeps(order, cost)
        if (found := board.promotable()) is not None:
            board.promoted.add(found)
            promoted.append((order, found))
    assert promoted == [(2, 1), (5, 0)]


@pytest.mark.parametrize("promotion", [False, True])
@pytest.mark.parametrize("workers", [1, 4])
def test_no_replay_spends_more_than_its_budget(table: GrowthTable, promotion: bool, workers: int) -> None:
    arm = Arm(Rule(promotion=promotion, race=RaceConfig(top=2, seeds=3)), workers=workers)
    for repeat in range(10):
        found = replay(Pool(table), arm, 20, repeat).replayed
        assert 18 <= found.flops <= 20 + 1e-9
        assert [choice.flops for choice in found.choices] == sorted(choice.flops for choice in found.choices)
        assert found.begun > found.finished >= 2


def test_workers_beside_each_other_take_less_time_for_as_many_trials(table: GrowthTable) -> None:
    alone, four = (replay(Pool(table), Arm(PLAIN, workers=workers), 40, 0).replayed for workers in (1, 4))
    assert (alone.begun, alone.flops) == (four.begun, four.flops) == (40, 40.0)
    last = {one.begun: one.choices[-1] for one in (alone, four)}[40]
    assert alone.choices[-1].number == four.choices[-1].number == last.number
    assert four.choices[-1].seconds == pytest.approx(alone.choices[-1].seconds / 4, abs=5.0)


def test_the_truth_is_by_seeds_that_the_choice_has_not_seen(table: GrowthTable) -> None:
    pool = Pool(table)
    judged = replay(pool, Arm(replace(PLAIN, race=RaceConfig(top=3, seeds=4))), 30, 0)
    seen, chosen = judged.replayed.seen, judged.replayed.chosen
    assert len(set(seen)) == 5 and chosen is not None
    unseen = [seed for seed in range(8) if seed not in seen]
    assert judged.truth == pytest.approx(truths(pool, "test_accuracy")[chosen, unseen].mean())
    assert judged.truth >= best(pool, "test_accuracy") - 1.0


def test_a_rule_that_would_see_every_seed_is_refused() -> None:
    with pytest.raises(InputError, match="has 5 seeds, and this rule needs 6: 1 of the search, 4 of its race"):
        replay(Pool(synthetic(seeds=5)), Arm(replace(PLAIN, race=RACE)), 40, 0)


def test_what_suits_the_validation_samples_alone_is_seen_through_by_the_test(table: GrowthTable) -> None:
    luck = np.random.default_rng(1).normal(0, 0.5, (len(table), 1, 1))  # the same for every seed
    curves = dict(table.curves)
    curves["validation_loss"] = curves["validation_loss"] - luck
    curves["validation_accuracy"] = 1 - curves["validation_loss"]
    pool = Pool(replace(table, curves=curves))
    judged = {
        measure: fmean(replay(pool, Arm(PLAIN), 40, r, measure).truth - best(pool, measure) for r in range(20))
        for measure in ("validation_accuracy", "test_accuracy")
    }
    assert judged["test_accuracy"] > judged["validation_accuracy"] + 0.1


def test_runs_that_fail_are_paid_and_never_chosen(table: GrowthTable) -> None:
    curves = {name: array.copy() for name, array in table.curves.items()}
    states = table.states.copy()
    ranked = table.curves["validation_loss"][:, :, -1].mean(axis=1).argsort()
    for number in ranked[:30]:  # the better half diverges behind its second evaluation
        states[number] = "diverged"
        for array in curves.values():
            array[number, :, 2:] = np.nan
    states[ranked[30]] = "refused"  # with a whole curve, and the lowest loss of all
    curves["validation_loss"][ranked[30]] = -10.0
    pool = Pool(replace(table, curves=curves, states=states))

    judged = [replay(pool, Arm(Rule(race="none")), 60, repeat) for repeat in range(5)]

    assert all(one.replayed.chosen not in ranked[:31] for one in judged)
    assert all(one.replayed.begun == 60 for one in judged)
    assert pool.outcomes(int(ranked[0])).whole == 2.0


def test_a_race_leaves_clear_losers_out_and_the_lowest_mean_wins(table: GrowthTable) -> None:
    pool = Pool(synthetic(noise=0.01))
    order = truths(pool, "validation_loss").mean(axis=1).argsort()
    entrants = {int(number): pool.outcomes(int(number)) for number in (order[-1], order[0], order[1])}

    raced = race(entrants, "validation_loss", [2, 3, 4, 5])

    assert raced.winner in order[:2]
    assert raced.flops < 3 * 4 * 5.0  # the last had two runs
    assert race(entrants, "validation_loss", [2, 3, 4, 5], workers=3).seconds < raced.seconds


def test_who_was_dropped_cannot_win_by_easier_seeds(table: GrowthTable) -> None:
    flat = {"flops": np.ones((4, 1)), "seconds": np.ones((4, 1)), "succeeds": np.ones(4, dtype=bool)}
    costs = {0: [1.5, 1.5, 3.5, 3.5], 1: [1.0, 1.0, 3.0, 3.0]}  # the last two seeds are hard for everybody
    entrants = {n: Outcomes({"validation_loss": np.array(c)[:, None]}, **flat) for n, c in costs.items()}
    raced = race(entrants, "validation_loss", range(4))
    assert (raced.winner, raced.flops) == (1, 6.0)


def test_samplers_are_given_every_configuration_once(table: GrowthTable) -> None:
    small = synthetic(configurations=12)
    for sampler in ("tpe", "qmc", "random"):
        found = replay(Pool(small), Arm(PLAIN, sampler=sampler), 100, 0).replayed
        assert (found.begun, found.finished) == (12, 12)
        assert found.chosen == int(truths_of_first_seed(small, 0).argmin())


def truths_of_first_seed(table: GrowthTable, repeat: int) -> np.ndarray:
    seed = int(np.random.default_rng(repeat).permutation(8)[0])
    return table.curves["validation_loss"][:, seed, -1]


def test_tpe_is_better_than_random_where_one_parameter_decides() -> None:
    quiet = synthetic(configurations=200, noise=0.02)
    found = {s: mean_truth(quiet, Arm(PLAIN, sampler=s), 30, repeats=6) for s in ("tpe", "random")}
    assert found["tpe"] < found["random"]


def distinct(table: GrowthTable) -> GrowthTable:
    """With measures that tell configuration, seed and evaluation."""
    numbers = np.arange(float(table.curves["seconds"].size)).reshape(table.curves["seconds"].shape)
    return replace(table, curves={**table.curves, "validation_loss": numbers, "validation_accuracy": -numbers})


class Recorder(Shuffled):
    """Remembers what it is told of rungs."""

    def __init__(self, count: int) -> None:
        super().__init__(count, np.random.default_rng(0))
        self.told: list[tuple[int, int, float]] = []

    def at_rung(self, number: int, step: int, cost: float) -> None:
        self.told.append((number, step, cost))


def test_the_rule_before_compares_at_equal_flops() -> None:
    table = distinct(synthetic())
    scale = np.linspace(0.2, 1.0, 60)[:, None, None]
    pool = Pool(replace(table, curves={**table.curves, "training_flops": table.curves["training_flops"] * scale}))
    recorder = Recorder(60)

    Simulation(pool, BEFORE, recorder, 1000, range(8), largest=pool.largest).run()

    told = {(number, step): cost for number, step, cost in recorder.told}
    accuracy = pool.table.curves["validation_accuracy"]
    # A ninth of 5 FLOPs is passed by the cheapest at its third evaluation, by the dearest at its first; the cheapest
    # never uses a third of 5.
    assert (told[0, 1], told[59, 1]) == (-accuracy[0, 0, 2], -accuracy[59, 0, 0])
    assert (0, 2) not in told and any(step == 2 for _, step in told)


def test_a_rung_at_a_share_is_that_of_the_trials_own_schedule(table: GrowthTable) -> None:
    table, recorder = distinct(table), Recorder(60)
    Simulation(Pool(table), replace(PLAIN, rungs=(Rung(0.4),)), recorder, 1000, range(8)).run()
    loss = table.curves["validation_loss"]
    assert len(recorder.told) == 60
    assert all((step, cost) == (1, loss[number, 0, 1]) for number, step, cost in recorder.told)

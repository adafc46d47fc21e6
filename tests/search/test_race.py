"""The race at the end of a search: its figures, its choice, and that it lives through a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from optuna.trial import TrialState

from growsearch.config import RunConfig, load_config
from growsearch.errors import ConfigError, GrowsearchError
from growsearch.report.search_page import race_sentence, race_table, write_search_report
from growsearch.runs.records import RunResult
from growsearch.search import search
from growsearch.search.race import is_over
from growsearch.search.racing import estimates, survivors
from growsearch.search.run import open_folder, settings_of, study_plan
from growsearch.search.study import FIRST_SEED, Plan
from tests.search import stub
from tests.search.conftest import MakeSpace, RunStub
from tests.search.stub import record

SMALL = (  # 8 trials, and a race that takes 12
    "search={budget: {trials: 20}, pruner: none, baselines: false, sampler: random, lease: 0.3, "
    "race: {top: 3, seeds: 4}}"
)


def test_a_clear_loser_is_dropped_and_what_could_be_luck_is_not() -> None:
    noise = {1: [0.50, 0.60], 2: [0.51, 0.59], 3: [0.90, 1.01]}

    assert survivors(noise) == [1, 2]
    assert survivors({1: [0.5, 0.9], 2: [0.9, 0.5], 3: [0.8, 0.9]}) == [1, 2, 3]
    assert survivors({1: [0.5, float("inf")], 2: [0.9, 0.9]}) == [2]


def test_estimates_are_those_of_the_two_way_layout() -> None:
    """Balanced: plain means, and a standard error of s / sqrt(seeds) with s from what candidate and seed leave."""
    table = np.array([[1.0, 2.0, 3.0], [1.5, 2.3, 3.7]])

    found = estimates({7: table[0].tolist(), 9: table[1].tolist()})

    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    assert [found[7].mean, found[9].mean] == pytest.approx([2.0, 2.5])
    assert found[7].error == pytest.approx(np.sqrt((left**2).sum() / 2 / 3))
    # One-sided Student test of the difference: t = 0.5 / (s sqrt(2 / 3)) with 2 degrees of freedom.
    from scipy.stats import t

    s = np.sqrt((left**2).sum() / 2)
    assert found[7].probability == pytest.approx(t.cdf(0.5 / (s * np.sqrt(2 / 3)), 2), abs=0.015)
    assert found[7].probability + found[9].probability == pytest.approx(1)


def test_candidates_that_are_the_same_are_as_likely() -> None:
    """Whatever rounding makes of their means."""
    found = estimates({1: [0.1, 0.2, 0.3], 2: [0.1, 0.2, 0.3], 3: [0.2, 0.3, 0.4]})

    assert [found[one].probability for one in (1, 2, 3)] == [0.5, 0.5, 0.0]


def test_a_race_larger_than_the_budget_that_there_is_by_default(space: MakeSpace) -> None:
    """The budget is not kept with what is searched: workers read it anew."""
    file = space("search={budget: {trials: 130}, race: {top: 10, seeds: 10}}")
    plan = study_plan(file, settings_of(file))

    assert Plan.of(plan.to_json()).search.race == plan.search.race


def test_a_candidate_that_was_dropped_early_is_judged_at_the_same_seeds() -> None:
    found = estimates({1: [1.0, 2.0, 9.0], 2: [2.0, 3.0]})

    assert found[1].mean == pytest.approx(4.0)
    assert found[2].mean == pytest.approx(5.0)  # one more than the other on the seeds that both had


def test_the_winner_is_chosen_and_reported_by_fresh_seeds(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub(SMALL, raced=True)

    race = results["race"]
    assert race["finished"] and race["seeds"] == [FIRST_SEED + index for index in range(4)]
    ranked = sorted(results["trials"], key=lambda trial: trial["values"][0])
    assert [one["trial"] for one in race["candidates"]] == [trial["number"] for trial in ranked[:3]]
    assert results["best"] == [race["winner"]]
    winner = next(one for one in race["candidates"] if one["trial"] == race["winner"])
    config = load_config(tmp_path / "run" / "best.yaml")
    assert winner["values"] == pytest.approx([1 - stub.score(config, seed) for seed in race["seeds"]])
    assert winner["mean"] == pytest.approx(sum(winner["values"]) / 4)
    assert winner["probability"] == max(one["probability"] for one in race["candidates"])
    assert len(results["trials"]) == 8  # runs of the race are no trials
    page = write_search_report(tmp_path / "run").read_text()
    assert race_sentence(results) in page.replace("&#x27;", "'")  # type: ignore[operator]
    assert len(race_table(results).rows) == 3


def test_luck_in_the_search_does_not_win(run_stub: RunStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = stub.score

    def flattered(config: RunConfig, seed: int) -> float:
        return honest(config, seed) + (0.3 if seed == 0 and config.training.optimizer["lr"] == 0.2 else 0.0)

    monkeypatch.setattr(stub, "score", flattered)
    rates = "training.optimizer.lr={type: choice, values: [0.2, 0.1, 0.15]}"
    results = run_stub(SMALL, rates, "growth=null", raced=True)

    rate = {trial["number"]: trial["parameters"]["training.optimizer.lr"] for trial in results["trials"]}
    assert rate[results["race"]["candidates"][0]["trial"]] == 0.2
    assert rate[results["best"][0]] == 0.1
    assert yaml.safe_load((tmp_path / "run" / "best.yaml").read_text())["training"]["optimizer"]["lr"] == 0.1


class Killed(BaseException):
    """As if the process were gone: nobody catches it, and the run stays with its worker."""


def test_a_race_that_is_killed_anywhere_goes_on_and_repeats_nothing(space: MakeSpace, tmp_path: Path) -> None:
    whole = search(space(SMALL), tmp_path / "whole", "cpu", 1, train=stub.train)
    for deadly in (9, 12):  # the first run of the race, and one in its midst
        folder, count = tmp_path / f"killed {deadly}", [0]

        def train(config: RunConfig, seed: int, home: Path, device: str, progress: Any) -> RunResult:
            count[0] += 1  # noqa: B023
            if count[0] == deadly:  # noqa: B023
                raise Killed
            return stub.train(config, seed, home, device, progress)

        with pytest.raises(Killed):
            search(space(SMALL), folder, "cpu", 1, train=train)
        assert not is_over(open_folder(folder))

        again = search(space(SMALL), folder, "cpu", 1, train=train)

        assert again["race"] == whole["race"]
        study = open_folder(folder)
        race = study.race()
        assert is_over(study) and race is not None
        assert len(race.trials((TrialState.COMPLETE,))) == sum(
            len(one["values"]) for one in again["race"]["candidates"]
        )
        finished = record(folder, "finished")
        assert len(finished) == 8


def test_a_finished_race_is_not_run_again(run_stub: RunStub, tmp_path: Path) -> None:
    first = run_stub(SMALL, raced=True)

    assert run_stub(SMALL, raced=True) == first


def test_more_trials_race_again_and_keep_the_runs_that_count(run_stub: RunStub, tmp_path: Path) -> None:
    first = run_stub(SMALL, raced=True)
    more = run_stub(SMALL.replace("trials: 20", "trials: 40"), raced=True)

    before = {one["trial"]: one["values"] for one in first["race"]["candidates"]}
    for one in more["race"]["candidates"]:
        if one["trial"] in before:
            shared = min(len(one["values"]), len(before[one["trial"]]))
            assert one["values"][:shared] == before[one["trial"]][:shared]
    race = open_folder(tmp_path / "run").race()
    assert race is not None
    places = [tuple(trial.user_attrs["race"].values()) for trial in race.trials()]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("budget", ["trials", "flops"])
def test_a_race_that_stays_is_paid_once(run_stub: RunStub, monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    """With more to use nothing gets better: the race's candidates keep their runs, and the trials have the rest."""
    monkeypatch.setattr("growsearch.search.trial.foreseen_flops", lambda config: 2e6)
    monkeypatch.setattr("tests.search.stub.score", lambda config, seed: 0.5)

    def with_budget(trials: int) -> str:
        given = {"trials": f"trials: {trials}", "flops": f"flops: {2e6 * trials}"}[budget]
        return SMALL.replace("trials: 20", given)

    first = run_stub(with_budget(20), raced=True)
    more = run_stub(with_budget(40), raced=True)

    assert (len(first["trials"]), len(more["trials"])) == (8, 40 - 12 - 4)  # one candidate might have been put out
    assert more["race"]["candidates"] == first["race"]["candidates"]


def test_a_race_is_not_forgotten_where_less_is_given_afterwards(run_stub: RunStub) -> None:
    default = "search={{budget: {{trials: {}}}, pruner: none, baselines: false, sampler: random, lease: 0.3}}"
    first = run_stub(default.format(36), raced=True)

    assert first["race"] is not None
    assert run_stub(default.format(16), raced=True)["race"] == first["race"]
    assert run_stub(default.format(8), raced=True)["race"] == first["race"]


def test_a_run_that_fails_loses_the_race(space: MakeSpace, tmp_path: Path) -> None:
    def train(config: RunConfig, seed: int, folder: Path, device: str, progress: Any) -> RunResult:
        if seed == FIRST_SEED + 1 and config.training.optimizer["lr"] == best:
            raise GrowsearchError("it is refused")
        return stub.train(config, seed, folder, device, progress)

    best = -1.0
    first = search(space(SMALL), tmp_path / "first", "cpu", 1, train=train)
    [number] = first["best"]
    best = first["trials"][number]["parameters"]["training.optimizer.lr"]

    results = search(space(SMALL), tmp_path / "second", "cpu", 1, train=train)

    lost = next(one for one in results["race"]["candidates"] if one["trial"] == number)
    assert lost["mean"] is None and lost["probability"] == 0 and None in lost["values"]
    assert results["best"] != [number]


@pytest.mark.parametrize(
    "settings", ["race: none", "objectives: [{minimize: validation_loss}, {minimize: parameters}]"]
)
def test_without_a_race_the_search_chooses(run_stub: RunStub, settings: str) -> None:
    assert run_stub(f"search={{budget: {{trials: 4}}, pruner: none, {settings}}}", raced=True)["race"] is None


def test_a_race_needs_one_objective(space: MakeSpace) -> None:
    with pytest.raises(ConfigError, match="several objectives have no winner"):
        space("search={objectives: [{minimize: train_loss}, {minimize: parameters}], race: {top: 2}}")

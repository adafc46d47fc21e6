"""A search ends where its budget is used, its race included, or where it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from growsearch.cli.search import _why_none
from growsearch.config import RunConfig, SearchBudget
from growsearch.errors import ConfigError, InputError
from growsearch.report.search_page import write_search_report
from growsearch.runs.events import RowDone
from growsearch.runs.records import RunResult
from growsearch.search import search
from growsearch.search.run import open_folder
from growsearch.search.study import counts
from tests.search import stub
from tests.search.conftest import MakeSpace, RunStub
from tests.search.stub import record

RUN = 2e6  # FLOPs of a run of width 1


@pytest.fixture(autouse=True)
def foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pretended training costs is known before."""
    monkeypatch.setattr("growsearch.search.trial.foreseen_flops", lambda config: RUN * config.network["width"])


def settings(budget: str, more: str = "") -> str:
    return f"search={{budget: {{{budget}}}, pruner: none, baselines: false, sampler: random, lease: 0.3{more}}}"


def runs(folder: Path) -> int:
    return len(record(folder / "run", "finished")) + len(record(folder / "run" / "race", "finished"))


@pytest.mark.parametrize(
    ("trials", "race", "of_search"),
    [
        (8, None, 8),  # so small a budget has no race
        (16, (2, 2), 12),
        (36, (3, 3), 27),
    ],
)
def test_the_race_takes_its_part_of_the_trials(
    run_stub: RunStub, trials: int, race: tuple[int, int] | None, of_search: int, tmp_path: Path
) -> None:
    results = run_stub(settings(f"trials: {trials}"), raced=True)

    assert len(results["trials"]) == of_search
    if race is None:
        assert results["race"] is None
    else:
        assert (len(results["race"]["candidates"]), len(results["race"]["seeds"])) == race
    assert runs(tmp_path) <= trials
    assert results["spent"]["trials"] == runs(tmp_path)
    assert results["ended_by"] == "budget"


def test_where_trials_have_several_seeds_the_race_is_booked_by_its_runs(run_stub: RunStub) -> None:
    results = run_stub(settings("trials: 10", ", seeds: 4, race: {top: 2, seeds: 3}"), raced=True)

    assert len(results["trials"]) == 8  # 6 runs of the race are 2 trials
    assert results["spent"]["trials"] == 10


def test_flops_are_kept_back_for_the_race_and_never_exceeded(run_stub: RunStub, tmp_path: Path) -> None:
    width = "network.width={type: float, low: 0.5, high: 2.0}"
    for number, whole in enumerate((40e6, 60e6)):
        results = run_stub(
            settings(f"flops: {whole}", f", seed: {number}, race: {{top: 3, seeds: 3}}"), width, raced=True
        )
        cost = {trial["number"]: RUN * trial["parameters"]["network.width"] for trial in results["trials"]}
        trained = [cost[trial["number"]] for trial in results["trials"] if trial["values"]]
        raced = sum(len(one["values"]) * cost[one["trial"]] for one in results["race"]["candidates"])
        assert results["spent"]["flops"] == pytest.approx(sum(trained) + raced, rel=1e-5)
        assert results["spent"]["flops"] <= whole
        assert results["race"]["finished"] and len(results["race"]["seeds"]) == 3
        # The next trial, which waits, had no room beside the race at its most expensive.
        dearest = sorted(trained, reverse=True)[:3]
        assert sum(trained) + 3 * sum(dearest) + RUN * 2.0 * 4 > whole
        (tmp_path / "run").rename(tmp_path / f"run {number}")


def test_flops_are_kept_back_for_the_race_that_there_is_by_default(run_stub: RunStub) -> None:
    # The 17th trial has no room beside the race, though the search had some when it was drawn.
    results = run_stub(settings("flops: 41e6"), raced=True)

    assert [trial["state"] for trial in results["trials"]].count("complete") == 16
    assert results["race"]["finished"]
    assert (len(results["race"]["candidates"]), len(results["race"]["seeds"])) == (2, 2)
    assert results["spent"]["flops"] == 40e6


def test_a_trial_dearer_than_all_before_waits_where_the_default_race_could_not_be_paid_after_it(
    run_stub: RunStub,
) -> None:
    # Sixteen of 2e6 leave the 8e6 of a race and 1e6; with the seventeenth of 3e6 as a candidate the race takes 10e6.
    widths = ", ".join(f"{{network.width: {1 + number * 1e-3}}}" for number in (*range(16), 500))
    width = "network.width={type: float, low: 0.5, high: 2.0}"
    results = run_stub(settings("flops: 41.5e6", f", start: [{widths}]"), width, raced=True)

    assert [trial["state"] for trial in results["trials"]] == ["complete"] * 16 + ["waiting"]
    assert results["race"]["finished"]
    assert (len(results["race"]["candidates"]), len(results["race"]["seeds"])) == (2, 2)


def test_a_budget_that_is_raised_goes_on_as_if_it_had_been_so_from_the_start(run_stub: RunStub, tmp_path: Path) -> None:
    width = "network.width={type: float, low: 0.5, high: 2.0}"
    for whole in (10e6, 30e6):
        raised = run_stub(settings(f"flops: {whole}", ", race: none"), width)
    (tmp_path / "run").rename(tmp_path / "raised")
    whole_at_once = run_stub(settings("flops: 30e6", ", race: none"), width)

    def drawn(results: dict[str, Any]) -> list[Any]:
        return [(trial["parameters"], trial["values"]) for trial in results["trials"]]

    assert drawn(raised) == drawn(whole_at_once)
    assert len(record(tmp_path / "raised", "begun")) == len(record(tmp_path / "run", "begun"))


def test_trials_are_short_for_a_budget_of_trials(space: MakeSpace) -> None:
    assert space("search={trials: 7}").first().search.whole == SearchBudget(trials=7)  # type: ignore[union-attr]
    assert space("search={}").first().search.whole == SearchBudget(trials=100)  # type: ignore[union-attr]
    replaced = space("search={budget: {hours: 2}}", "search.trials=7", "search.budget=null")  # as --trials does
    assert replaced.first().search.whole == SearchBudget(trials=7)  # type: ignore[union-attr]


@pytest.mark.parametrize("budget", ["trials: 14", "flops: 26e6"])
def test_the_same_seed_with_one_worker_gives_the_same_search(run_stub: RunStub, tmp_path: Path, budget: str) -> None:
    found = []
    for number in range(2):
        results = run_stub(settings(budget).replace("random", "tpe"), raced=True)
        for trial in results["trials"]:
            trial.pop("seconds"), trial.pop("finished")
        results["spent"].pop("hours"), results.pop("files")
        found.append(results)
        (tmp_path / "run").rename(tmp_path / f"run {number}")

    assert found[0] == found[1]


def test_a_trial_that_costs_more_than_foreseen_is_set_aside_before_it_overdraws(
    run_stub: RunStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("growsearch.search.trial.foreseen_flops", lambda config: RUN / 2)

    results = run_stub(settings("flops: 7e6", ", race: none"))

    # Three at 2e6, of which the last row but one shows what they come to; a fourth had room by the estimate only.
    assert [trial["state"] for trial in results["trials"]] == ["complete"] * 3 + ["waiting"]
    assert results["spent"]["flops"] <= 7e6
    assert results["ended_by"] == "budget"
    assert list((tmp_path / "run").rglob("checkpoint.pt"))  # it goes on where the budget is raised


def growing(run: int, row: int, flops: int) -> Callable[..., RunResult]:
    """Training of which the run of this number, from 1, grows before this row, which takes so many FLOPs."""
    begun: list[int] = []

    def train(config: RunConfig, seed: int, folder: Path, device: str, progress: Any) -> RunResult:
        begun.append(seed)
        number = len(begun)

        def grown(event: Any) -> None:
            if isinstance(event, RowDone) and number == run and event.row.step >= row:
                told = replace(event.row, training_flops=event.row.training_flops + flops, growth_flops=flops)
                event = RowDone(told, event.total_steps)
            progress(event)

        result = stub.train(config, seed, folder, device, grown)
        return replace(result, training_flops=result.training_flops + flops) if number == run else result

    return train


def test_what_growing_took_once_is_not_expected_again(
    space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (RUN, RUN))

    file = space(settings("flops: 2.7e6", ", race: none"))
    results = search(file, tmp_path / "run", "cpu", 1, train=growing(run=1, row=2, flops=600_000))

    assert results["trials"][0]["state"] == "complete"
    assert results["spent"]["flops"] == 2.6e6


def test_where_no_race_can_be_paid_any_more_trials_have_the_rest(
    space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (RUN, RUN))

    # Sixteen trials leave the 8e6 of a race; the last of them takes 6e6 more than foreseen, and tells it at its end.
    file = space(settings("flops: 40e6"))
    results = search(file, tmp_path / "run", "cpu", 1, train=growing(run=16, row=stub.ROWS, flops=6_000_000))

    assert [trial["state"] for trial in results["trials"]].count("complete") == 17
    assert results["race"] is None
    assert results["spent"]["flops"] == 40e6


def test_a_budget_without_room_for_one_trial_is_refused_or_said(run_stub: RunStub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the cheapest trial costs about 4e.06 training FLOPs .found 3e.06"):
        run_stub(settings("flops: 3e6", ", race: none"))
    assert not (tmp_path / "run").exists()

    results = run_stub(settings("flops: 5e6", ", race: {top: 2, seeds: 2}"), raced=True)  # 2e6 and twice that to race

    assert "the first costs more than search.budget leaves beside the race" in _why_none(results)


class Clock:
    """A clock for heartbeats and budgets that training puts forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("growsearch.search.allowance.time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr("growsearch.search.monitor.time", SimpleNamespace(monotonic=lambda: self.now))


def in_hours(hours: float, clock: Clock) -> Callable[..., RunResult]:
    """Training that takes so many hours by the clock of the tests."""

    def train(config: RunConfig, seed: int, folder: Path, device: str, progress: Any) -> RunResult:
        def slow(event: Any) -> None:
            clock.now += 3600 * hours / (1 + 2 * stub.ROWS)  # events of a run
            progress(event)

        return stub.train(config, seed, folder, device, slow)

    return train


def test_what_trials_used_before_they_diverged_is_used(
    space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end before their first row of metrics."""
    rate = "training.optimizer.lr={type: float, low: 1.0e20, high: 1.0e30, log: true}"
    file = space(rate, "growth.when=never", "growth.how=zero", settings("flops: 1.2e7", ", race: none"))
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))

    results = search(file, tmp_path / "run", "cpu", 1)

    assert {trial["kind"] for trial in results["trials"] if trial["state"] != "waiting"} == {"diverged"}
    assert results["ended_by"] == "budget" and 0.7e7 < results["spent"]["flops"] <= 1.2e7


def test_a_budget_of_flops_ends_where_trials_use_none(run_stub: RunStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.search.budget._UNTRAINED", 5)
    refused = "training.optimizer.lr={type: float, low: 1.0e-6, high: 1.0e-3, log: true}"

    results = run_stub(refused, settings("flops: 1e12"))

    assert len(results["trials"]) == 5 and results["ended_by"] == "untrained"


def test_hours_are_those_in_which_something_ran(space: MakeSpace, tmp_path: Path) -> None:
    search(space(settings("trials: 3", ", race: none")), tmp_path / "run", "cpu", 1, train=stub.train)
    study = open_folder(tmp_path / "run")
    before = study_hours(tmp_path)
    time.sleep(0.3)  # nothing runs
    assert study_hours(tmp_path) == before
    lengths = [(one.datetime_complete - one.datetime_start).total_seconds() for one in study.trials() if counts(one)]  # type: ignore[operator]
    assert before * 3600 == pytest.approx(sum(lengths), rel=1e-4)  # stored to the microsecond


def study_hours(folder: Path) -> float:
    from growsearch.search.budget import account_of

    return account_of(open_folder(folder / "run")).spent().hours


def test_when_the_time_is_over_what_runs_is_set_aside(
    space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    file = space(settings("hours: 1", ", race: none"))
    monkeypatch.setattr("growsearch.search.budget._seconds", lambda trials: clock.now)

    results = search(file, tmp_path / "run", "cpu", 1, train=in_hours(0.4, clock))

    assert [trial["state"] for trial in results["trials"]] == ["complete", "complete", "waiting"]
    assert 1.0 <= clock.now / 3600 < 1.05  # it is looked at after every step


@pytest.mark.parametrize(
    ("stop", "ended_by"), [("target: 0.16", "target"), ("without_improvement: 4", "without_improvement")]
)
def test_a_search_stops_at_its_target_or_where_nothing_gets_better(
    run_stub: RunStub, stop: str, ended_by: str, tmp_path: Path
) -> None:
    results = run_stub(settings("trials: 200", f", stop: {{{stop}}}, race: {{top: 2, seeds: 2}}"), raced=True)

    values = [trial["values"][0] for trial in results["trials"]]
    assert results["ended_by"] == ended_by
    assert len(values) < 100
    if ended_by == "target":
        assert values[-1] <= 0.16 < min(values[:-1])
    else:
        assert len(values) - 1 - values.index(min(values)) == 4
    assert results["race"]["finished"]
    assert "the target was reached" in write_search_report(tmp_path / "run").read_text() or ended_by != "target"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "search.budget={trials: 3, hours: 2}",
            "give exactly one of trials, flops and hours (found trials 3, hours 2)",
        ),
        ("search.trials=3", "trials is short for budget: {trials: N}: give one of them (found both)"),
        ("search.budget={}", "give exactly one of trials, flops and hours (found none)"),
        ("search={budget: {trials: 20}, race: {top: 5, seeds: 4}}", "takes 20 of the budget's trials, and needs 5"),
        ("search.stop={}", "stop has target, without_improvement or both"),
        (
            "search.constraints=[{parameters: {max: 900}}, {parameters: {min: 100}}]",
            "every constraint has a measure of its own (found parameters, parameters)",
        ),
        (
            "search={stop: {target: 1}, objectives: [{minimize: train_loss}, {minimize: parameters}]}",
            "several objectives have no best value: leave stop out",
        ),
    ],
)
def test_ends_that_cannot_be_are_refused(space: MakeSpace, override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(override)

    assert words in str(caught.value)

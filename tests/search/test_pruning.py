"""Trials end early at rungs of their own schedules, or seed by seed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from optuna.storages.journal._storage import JournalOperation

from growsearch.config import SearchBudget, SearchConfig
from growsearch.errors import ConfigError
from growsearch.report.search_page import rung_sentences, write_search_report
from growsearch.runs.events import RowDone
from growsearch.runs.layout import JOURNAL
from growsearch.search import search
from growsearch.search.leases import Lease
from growsearch.search.monitor import Monitor, Runner
from growsearch.search.queue import fill, take
from growsearch.search.rung_quality import ENOUGH, rung_quality
from growsearch.search.samplers import make_pruner, make_sampler, rungs
from growsearch.search.storage import open_storage
from growsearch.search.study import Plan, Study, create_study
from tests.search.conftest import MakeSpace, RunStub, dead_process
from tests.search.stub import row_of, train


def study_of(folder: Path, **settings: Any) -> Study:
    search = SearchConfig(race="none", **settings)
    return create_study(open_storage(str(folder / "journal")), "s", Plan({}, search, rungs(search)), folder)


def rows(study: Study, values: Sequence[float], steps: Sequence[int], baseline: bool = False) -> optuna.Trial:
    """A new trial that has had rows at these of 1,000 steps, at FLOPs of its own."""
    fill(study, SearchBudget(trials=len(study.trials()) + 1), {"small": {}} if baseline else {})
    number = take(study, "here:1:a")
    assert number is not None
    trial = optuna.Trial(study.optuna(make_sampler(study.plan.search, 0), make_pruner(study.plan.search)), number)
    runner = cast(Runner, SimpleNamespace(study=study, watch=lambda: None))
    monitor = Monitor(runner, trial, Lease(study, number, "machine:1:x"), 0)
    for value, step in zip(values, steps, strict=True):
        flops = step * (1 + len(study.trials()))
        monitor(RowDone(row_of(step=step, flops=flops, accuracy=value), total_steps=1000))
    return trial


def test_a_value_is_reported_at_the_first_row_past_a_rung(tmp_path: Path) -> None:
    trial = rows(study_of(tmp_path, pruner="hyperband"), [0.1, 0.2, 0.3, 0.4, 0.5], [190, 210, 220, 610, 900])

    assert trial.storage.get_trial(trial._trial_id).intermediate_values == pytest.approx({1: 0.8, 3: 0.6})


def test_a_row_that_passes_two_rungs_counts_for_both(tmp_path: Path) -> None:
    trial = rows(study_of(tmp_path, pruner="hyperband"), [0.2], [700])

    assert trial.storage.get_trial(trial._trial_id).intermediate_values == pytest.approx({1: 0.8, 3: 0.8})


def test_where_flops_end_a_trial_they_say_where_it_is(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    fill(study, SearchBudget(trials=1), {})
    number = take(study, "here:1:a")
    assert number is not None
    trial = optuna.Trial(study.optuna(make_sampler(study.plan.search, 0), make_pruner(study.plan.search)), number)
    runner = cast(Runner, SimpleNamespace(study=study, watch=lambda: None))
    monitor = Monitor(runner, trial, Lease(study, number, "machine:1:x"), 0, 1000.0)

    for step, flops in ((900, 190), (910, 210)):  # most of its steps were cheap, before it grew
        monitor(RowDone(row_of(step=step, flops=flops, accuracy=flops / 1000), total_steps=1000))

    assert study.storage.get_trial(number).intermediate_values == pytest.approx({1: 0.79})


@pytest.mark.parametrize("pruner", ["asha", "hyperband", "median"])
def test_trials_are_compared_at_the_same_place_of_their_schedules(tmp_path: Path, pruner: str) -> None:
    study = study_of(tmp_path, pruner=pruner)
    for _ in range(9):
        good = rows(study, [0.8, 0.9], [200, 600])
        good.study.tell(good, 0.9)

    pruned = 0
    for _ in range(6):
        with pytest.raises(optuna.TrialPruned) if pruner != "hyperband" else _either():
            pruned += 1
            rows(study, [0.1, 0.1], [250, 650])
            pruned -= 1
    assert pruned


class _either:
    """Hyperband prunes in some of its brackets only."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, optuna.TrialPruned)


def test_baselines_are_never_pruned(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    for _ in range(4):
        good = rows(study, [0.8, 0.9], [200, 600])
        good.study.tell(good, 0.9)

    rows(study, [0.1, 0.1], [200, 600], baseline=True)


def test_pruned_trials_are_recorded_and_leave_no_checkpoint(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub(
        "search={budget: {trials: 16}, pruner: asha}",
        "training.optimizer.lr={type: choice, values: [0.1, 0.002, 0.003, 0.004, 0.4]}",
        "growth.when.options.interval.count={type: int, low: 1, high: 90}",
    )

    assert [trial["state"] for trial in results["trials"]].count("pruned") > 2
    assert not list((tmp_path / "run").rglob("checkpoint.pt"))
    for trial in results["trials"]:
        if trial["state"] == "pruned":
            assert trial["reported"]


def test_wilcoxon_ends_a_trial_whose_seeds_are_worse_one_by_one(run_stub: RunStub) -> None:
    results = run_stub(
        "search={budget: {trials: 6}, pruner: wilcoxon, seeds: 8, sampler: random}",
        "training.optimizer.lr={type: choice, values: [0.1, 0.002]}",
    )

    pruned = [trial for trial in results["trials"] if trial["state"] == "pruned"]
    assert pruned
    assert all(len(trial["reported"]) < 8 for trial in pruned)


def test_a_list_with_one_wrong_entry_is_not_said_to_be_short(space: MakeSpace) -> None:
    with pytest.raises(ConfigError) as caught:
        space("search={objectives: [{maximize: validation_acuracy}]}")

    assert "did you mean 'validation_accuracy'" in str(caught.value) and "too short" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("{pruner: wilcoxon}", "wilcoxon compares trials seed by seed, and needs at least 5 seeds (found seeds 1)"),
        (
            "{sampler: tpes}",
            "unknown value (found \"tpes\"; allowed tpe, random, nsga2, gp, cmaes, qmc, grid; did you mean 'tpe'?)",
        ),
        ("{pruner: asha, objectives: [{minimize: parameters}]}", "asha needs an objective that is measured while"),
        (
            "{pruner: median, objectives: [{minimize: parameters}, {maximize: validation_accuracy}]}",
            "several objectives are never pruned: leave pruner out (found median)",
        ),
        ("{objectives: [{maximize: accuracy}]}", "unknown value"),
        (
            "{objectives: [{minimize: validation_accuracy}]}",
            "objective minimize: validation_accuracy would look for the worst: allowed is maximize",
        ),
        ("{objectives: [{maximize: train_loss}]}", "would look for the worst: allowed is minimize"),
        ("{objectives: []}", "too short (found []; allowed 1 or more entries)"),
        ("{constraints: [{parameters: {}}]}", "a constraint has min, max or both"),
        ("{constraints: [{paramters: {max: 3}}]}", "search.constraints.0.paramters"),
        ("{budget: {trials: 0}}", "allowed 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(space: MakeSpace, settings: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(f"search={settings}")

    assert words in str(caught.value)


def ended(study: Study, at_rung: float, at_end: float) -> None:
    trial = rows(study, [1 - at_rung], [200])
    trial.study.tell(trial, at_end)


def test_the_rank_correlation_from_rung_to_end_is_that_of_the_finished_trials(tmp_path: Path) -> None:
    study = study_of(tmp_path, pruner="none")
    for at_rung, at_end in ((0.1, 0.3), (0.2, 0.1), (0.3, 0.2), (0.4, 0.4)):
        trial = take_one(study)
        trial.report(at_rung, 1)
        trial.study.tell(trial, at_end)

    [quality] = rung_quality({1: 0.2}, study.trials()).values()

    # Ranks 1234 and 3124: 1 - 6 (4 + 1 + 1) / (4 · 15) = 0.4.
    assert quality.correlation == pytest.approx(0.4)
    assert not quality.holds_back  # too few


def test_a_rung_at_the_end_tells_nothing_of_it(tmp_path: Path) -> None:
    """Where trials are first evaluated at their end."""
    study = study_of(tmp_path, pruner="none")
    for value in (0.1, 0.3, 0.2, 0.4):
        trial = take_one(study)
        trial.report(value, 1)
        trial.study.tell(trial, value)

    [quality] = rung_quality({1: 0.2}, study.trials()).values()

    assert (quality.finished, quality.correlation, quality.holds_back) == (4, None, False)


def take_one(study: Study) -> optuna.Trial:
    fill(study, SearchBudget(trials=len(study.trials()) + 1), {})
    number = take(study, "here:1:a")
    assert number is not None
    return optuna.Trial(study.optuna(), number)


@pytest.mark.parametrize(("finished", "prunes"), [(ENOUGH - 1, True), (ENOUGH, False)])
def test_a_rung_that_does_not_tell_the_end_ends_nothing(tmp_path: Path, finished: int, prunes: bool) -> None:
    study = study_of(tmp_path)
    for number in range(finished):
        ended(study, 0.9 - 0.1 * number, 0.1 * number)  # ever better at the rung, ever worse at the end

    with pytest.raises(optuna.TrialPruned) if prunes else nullcontext():
        rows(study, [0.01], [200])

    [quality] = rung_quality(study.plan.rungs, study.trials()).values()
    assert quality.correlation == pytest.approx(-1)
    assert quality.spared == (0 if prunes else 1)


def test_a_rung_that_tells_the_end_ends_trials(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    for number in range(ENOUGH):
        ended(study, 0.9 - 0.1 * number, 0.9 - 0.1 * number)

    with pytest.raises(optuna.TrialPruned):
        rows(study, [0.01], [200])


def test_what_rungs_told_is_said(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub("search={budget: {trials: 16}, pruner: asha}")

    [rung] = results["rungs"]
    [sentence] = rung_sentences(results)
    assert rung["pruned"] == [trial["state"] for trial in results["trials"]].count("pruned")
    assert sentence in write_search_report(tmp_path / "run").read_text()
    assert "its rank correlation with the end is 1.00" in sentence or "too few finished trials" in sentence


def cut(whole: Path, folder: Path, line: int, trial: int) -> None:
    """A copy of a search's folder as it was when its process was killed right after a line of its journal."""
    shutil.copytree(whole, folder)
    lines = (whole / JOURNAL).read_text().splitlines(keepends=True)
    (folder / JOURNAL).write_text("".join(lines[: line + 1]).replace(f":{os.getpid()}:", f":{dead_process()}:"))
    for later in (folder / "trials").iterdir():
        if int(later.name) >= trial:
            shutil.rmtree(later)


def told(results: dict[str, Any]) -> list[str]:
    resumed = {trial.get("resume_of") for trial in results["trials"]}
    ended = [trial for trial in results["trials"] if trial["number"] not in resumed]
    return sorted(str((trial["parameters"], trial["state"], trial["values"])) for trial in ended)


@pytest.mark.parametrize("after", ["a parameter", "a value at a rung"])
def test_a_search_that_is_killed_between_two_lines_of_its_journal_is_the_same(
    after: str, space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))
    file = space("search={budget: {trials: 14}, pruner: asha, race: none, baselines: false, lease: 2}")
    whole = search(file, tmp_path / "whole", "cpu", 1, train=train)
    pruned = {trial["number"] for trial in whole["trials"] if trial["state"] == "pruned"}
    written = [json.loads(line) for line in (tmp_path / "whole" / JOURNAL).read_text().splitlines()]
    kinds = {
        "a parameter": JournalOperation.SET_TRIAL_PARAM,
        "a value at a rung": JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
    }
    first: dict[int, int] = {}
    for number, line in enumerate(written):
        if line["op_code"] == kinds[after]:
            first.setdefault(line["trial_id"], number)
    chosen = sorted(first)[3:9:2] if after == "a parameter" else sorted(pruned)[:3]

    for trial in chosen:
        cut(tmp_path / "whole", tmp_path / f"cut {trial}", first[trial], trial)
        again = search(file, tmp_path / f"cut {trial}", "cpu", 1, train=train)
        assert told(again) == told(whole), trial

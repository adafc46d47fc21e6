"""What samplers are told, what is drawn, and what a study lives through."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from growsearch.config import SearchBudget, SearchConfig
from growsearch.errors import ConfigError, InputError
from growsearch.installing import command_for_extra
from growsearch.report import write_reports
from growsearch.report.search_figures import importances
from growsearch.report.search_page import trials_table
from growsearch.search.drawing import draw, needs_of, quasi_random
from growsearch.search.finite import points
from growsearch.search.known import SamplersStudy, known_trials
from growsearch.search.queue import fill, take
from growsearch.search.run import open_folder
from growsearch.search.storage import open_storage
from growsearch.search.study import Plan, Reference, Study, create_study, open_study
from tests.search.conftest import TEXT, MakeSpace, RunStub
from tests.search.stub import record

SPACE: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [4]},
    "training": {"steps": 4, "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.01, "high": 0.5}}},
}


def study_of(folder: Path, data: dict[str, Any], **settings: Any) -> Study:
    storage = open_storage(str(folder / "journal"))
    return create_study(storage, "s", Plan(data, SearchConfig(**settings), {}), folder)


def told(value: float | None, state: TrialState, **attributes: Any) -> optuna.trial.FrozenTrial:
    return optuna.create_trial(
        state=state,
        value=value,
        params={"lr": 0.1},
        distributions={"lr": FloatDistribution(0.01, 0.5)},
        user_attrs=attributes,
        constraints={"seconds.max": 0.5} if value == 3.0 else None,
    )


def test_samplers_see_no_baseline_and_a_failure_as_the_worst() -> None:
    trials = [
        told(9.0, TrialState.COMPLETE, baseline="big"),
        told(1.0, TrialState.COMPLETE),
        told(3.0, TrialState.COMPLETE),
        told(None, TrialState.FAIL, kind="diverged", reason="it diverged", lease={}),
        told(None, TrialState.FAIL, lease={}),  # another goes on with it
    ]

    known = known_trials(trials, [StudyDirection.MINIMIZE])

    assert [(trial.state.name, trial.value) for trial in known] == [
        ("COMPLETE", 1.0),
        ("COMPLETE", 3.0),
        ("COMPLETE", 3.0),
    ]
    assert known[2].constraints == {"seconds.max": 0.5}
    assert trials[3].state == TrialState.FAIL  # in the record it is what it was


def test_samplers_model_the_parameters_although_a_baseline_has_none(tmp_path: Path) -> None:
    """What `gp` and `nsga2` model is the intersection of the parameters of all trials."""
    study = study_of(tmp_path, SPACE, sampler="gp", seed=3)
    for number in range(12):
        rate = 0.01 + 0.03 * number
        name, range_ = "training.optimizer.lr", FloatDistribution(0.01, 0.5)
        study.optuna().add_trial(
            optuna.create_trial(
                value=rate,
                params={} if number == 0 else {name: rate},
                distributions={} if number == 0 else {name: range_},
                user_attrs={"baseline": "big"} if number == 0 else {},
            )
        )

    seen = SamplersStudy(study, optuna.samplers.RandomSampler())

    assert optuna.search_space.IntersectionSearchSpace().calculate(study.optuna()) == {}
    assert optuna.search_space.IntersectionSearchSpace().calculate(seen) == {name: range_}


def test_what_is_drawn_depends_on_the_trials_before_and_not_on_the_worker(tmp_path: Path) -> None:
    """After an interrupt the next trial is the one that would have been next."""
    study = study_of(tmp_path, SPACE, sampler="random")
    fill(study, SearchBudget(trials=9), {})
    ids = [take(study, worker) for worker in ("one:1:a", "two:2:b", "three:3:c")]
    trials = [study.storage.get_trial(one) for one in ids if one is not None]

    drawn = [draw(study, trial, 0).parameters["training.optimizer.lr"] for trial in trials]

    assert len(set(drawn)) == 3
    assert [trial.user_attrs["ordinal"] for trial in trials] == [0, 1, 2]
    assert draw(study, trials[1], 0).parameters["training.optimizer.lr"] == drawn[1]


def test_any_seed_will_do(run_stub: RunStub) -> None:
    assert len(run_stub("search.seed=20261128123", "search.budget.trials=5", "search.sampler=gp")["trials"]) == 5


def test_the_start_is_spread_evenly_over_all_parameters() -> None:
    rates = [quasi_random(SPACE, 0, index)["training.optimizer.lr"] for index in range(8)]

    eighths = sorted(int((rate - 0.01) / 0.49 * 8) for rate in rates)
    assert eighths == list(range(8))  # a Sobol' sequence has one of its first eight points in each
    assert quasi_random(SPACE, 1, 0) != quasi_random(SPACE, 0, 0)


def test_all_points_of_a_space_with_conditions_are_listed() -> None:
    how = {"type": "choice", "options": {"zero": {}, "random": {"scale": {"type": "int", "low": 1, "high": 3}}}}
    step = {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25}

    found = points({"network": {"width": step}, "growth": {"how": how}})

    assert found is not None
    assert len(found) == len({json.dumps(point) for point in found}) == 3 * (1 + 3)
    assert points(SPACE) is None
    assert points({"network": {"width": {"type": "int", "low": 1, "high": 9999}}}) is None


def test_grid_tries_every_point_and_ends(run_stub: RunStub) -> None:
    text = TEXT.replace("{type: float, low: 2e-3, high: 0.4, log: true}", "{type: choice, values: [0.01, 0.1]}")

    results = run_stub(
        "search={sampler: grid, baselines: false, pruner: none}", "growth.how=zero", "growth.when=never", text=text
    )

    assert sorted(trial["parameters"]["training.optimizer.lr"] for trial in results["trials"]) == [0.01, 0.1]
    assert results["exhausted"]


@pytest.mark.parametrize(
    ("sampler", "message"), [("grid", "grid needs a space of few points"), ("cmaes", "growth.when is a choice")]
)
def test_a_sampler_that_cannot_search_a_space_is_refused(run_stub: RunStub, sampler: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_stub(f"search.sampler={sampler}")


def test_a_sampler_whose_package_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.search.drawing.find_spec", lambda name: None)

    needed = needs_of(SearchConfig(sampler="cmaes"), SPACE)

    assert needed == f"cmaes needs the package of that name: {command_for_extra('cmaes')}"
    assert needs_of(SearchConfig(sampler="qmc"), SPACE) is None


def test_a_failure_of_a_known_kind_is_not_trained_again(run_stub: RunStub, tmp_path: Path) -> None:
    text = TEXT.replace("{type: float, low: 2e-3, high: 0.4, log: true}", "{type: choice, values: [0.001, 0.1]}")

    results = run_stub("search.baselines=false", "growth.when=never", "growth.how=zero", text=text)

    assert [trial["kind"] for trial in results["trials"] if trial["state"] == "fail"] == ["refused"]
    assert len(record(tmp_path / "run", "begun")) == 2


def test_a_search_goes_on_without_the_folder_of_its_best_trial(run_stub: RunStub, tmp_path: Path) -> None:
    [best] = run_stub()["best"]
    shutil.rmtree(tmp_path / "run" / "trials" / str(best))
    before = (tmp_path / "run" / "best.yaml").read_text()
    (tmp_path / "run" / "best.yaml").unlink()

    assert run_stub("search.budget.trials=9")["best"] == [best]
    assert (tmp_path / "run" / "best.yaml").read_text() == before


def test_trials_that_were_added_through_optuna_do_not_end_a_study(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    study = open_folder(tmp_path / "run").optuna()
    study.add_trial(optuna.create_trial(value=9.0, params={}, distributions={}))
    study.add_trial(optuna.create_trial(state=TrialState.FAIL))

    results = run_stub("search.budget.trials=11")

    assert [trial["state"] for trial in results["trials"]].count("complete") == 10
    assert results["best"] != [8]  # no run file can be made of it
    assert results["failures"] == [{"trial": 9, "reason": "it was added as failed"}]
    write_reports(tmp_path / "run", ["html"])


def test_what_is_enqueued_outside_the_space_fails_with_the_reason(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    study = open_folder(tmp_path / "run").optuna()
    study.enqueue_trial({"training.optimizer.lr": 7.0})
    study.enqueue_trial({"training.optimizer.rate": 0.1})

    failures = run_stub("search.budget.trials=11")["failures"]

    assert [one["reason"] for one in failures] == [
        "training.optimizer.lr: 7.0 is outside 0.002 to 0.4",
        "training.optimizer.rate is no parameter of the space (did you mean 'training.optimizer.lr'?) (allowed: "
        "training.optimizer.lr, growth.when, growth.when.interval.every, growth.how, growth.how.random.scale)",
    ]


def test_a_copied_folder_is_worked_on_in_its_own_place(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")

    study = open_study(Reference(str(tmp_path / "copy" / "study.journal"), "space"))

    assert study.folder == tmp_path / "copy"


def test_no_trial_is_pruned_after_its_last_step(run_stub: RunStub) -> None:
    results = run_stub(
        "search={budget: {trials: 12}, pruner: wilcoxon, seeds: 8, sampler: random}",
        "training.optimizer.lr={type: choice, values: [0.1, 0.002]}",
    )

    pruned = [trial for trial in results["trials"] if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        assert len(trial["reported"]) < 8
        assert trial["values"] == [pytest.approx(sum(trial["reported"].values()) / len(trial["reported"]))]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs={type: float, low: 1, high: 3}", "a whole number is needed here (found type float; allowed"),
        ("network.hidden={type: choice, values: [[{type: int, low: 2, high: 4}], [4]]}", "inside a choice's value"),
        ("network.hidden={type: choice, values: [[4], [4]]}", "is there twice"),
        ("seeds={type: int, low: 1, high: 3}", "is not searched: ranges stand in data"),
    ],
)
def test_a_range_that_no_trial_could_use_is_refused_at_once(space: MakeSpace, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(override)

    assert message in str(caught.value)


def test_trials_are_a_table_that_says_which_break_limits(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub("search.constraints=[{parameters: {max: 500}}]")

    [path] = write_reports(tmp_path / "run", ["csv"])
    page = write_reports(tmp_path / "run", ["html"])[0].read_text()

    head, *lines = path.read_text().splitlines()
    assert {"number", "state", "value.validation_loss", "measure.parameters", "parameter.growth.how"} <= set(
        head.split(",")
    )
    assert len(lines) == len(results["trials"])
    assert "breaks parameters.max by 60%" in trials_table(results).rows[1][-1]
    assert "(breaks a limit)" in page and "break a limit" in page


def test_a_search_that_was_killed_has_a_report(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    (tmp_path / "run" / "results.json").unlink()

    assert "8 complete" in write_reports(tmp_path / "run", ["html"])[0].read_text()


def test_times_have_an_offset_and_a_clock_that_was_set_back_gives_no_negative_seconds(run_stub: RunStub) -> None:
    for trial in run_stub()["trials"]:
        assert trial["finished"][-6] in "+-"
        assert trial["seconds"] >= 0


def test_a_parameter_of_one_value_or_of_few_trials_decides_nothing() -> None:
    study = optuna.create_study()
    for number in range(12):
        distributions = {"one": FloatDistribution(0, 1), "more": FloatDistribution(0, 12)}
        parameters = {"one": 0.5, "more": float(number)}
        if number < 7:  # it would decide all that there is to decide
            distributions["rare"] = FloatDistribution(0, 12)
            parameters["rare"] = float(number)
        study.add_trial(optuna.create_trial(value=number, params=parameters, distributions=dict(distributions)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is about low values
        assert importances(study, lambda trial: float(trial.values[0])) == {"more": 1.0}


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        open_study(Reference(str(tmp_path / "study.jurnal"), "space"))
    assert not list(tmp_path.iterdir())

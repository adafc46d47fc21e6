"""Studies with pretended training: what is tried, what is kept, and what is not done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.study import StudyDirection

from growsearch.config import load_config
from growsearch.errors import InputError
from growsearch.report.search_page import write_search_report
from growsearch.search import search
from growsearch.search.run import open_folder
from growsearch.search.storage import open_storage
from tests.search.conftest import TEXT, MakeSpace, RunStub
from tests.search.stub import record, score, train

SMALL = TEXT.replace("{type: float, low: 2e-3, high: 0.4, log: true}", "{type: choice, values: [0.01, 0.1]}").replace(
    "{type: int, low: 2, high: 4}", "2"
)


def states(results: dict[str, Any]) -> list[str]:
    return [trial["state"] for trial in results["trials"]]


def test_a_search_has_as_many_trials_as_the_file_says_and_finds_the_best(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub()

    assert states(results) == ["complete"] * 8
    [best] = [trial for trial in results["trials"] if trial["number"] in results["best"]]
    assert best["values"][0] == min(trial["values"][0] for trial in results["trials"])
    assert results == json.loads((tmp_path / "run" / "results.json").read_text())


def test_the_best_trial_is_a_plain_file_that_gives_the_same_run(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub()

    config = load_config(tmp_path / "run" / "best.yaml")
    assert [1 - score(config, 0)] == results["trials"][results["best"][0]]["values"]


def test_baselines_come_first_inside_the_space_where_it_holds_them(run_stub: RunStub) -> None:
    small, big, random = run_stub()["trials"][:3]

    assert [small["baseline"], big["baseline"], random["baseline"]] == ["small", "big", "random"]
    assert small["parameters"]["growth.when"] == "never"
    assert random["parameters"]["growth.how.random.scale"] == 0.55
    assert big["parameters"] == {}
    assert big["measures"]["parameters"] == 2 * small["measures"]["parameters"]


def test_baselines_can_be_left_out(run_stub: RunStub) -> None:
    assert not any("baseline" in trial for trial in run_stub("search.baselines=false")["trials"])


def test_a_budget_in_parameters_has_a_big_network_that_just_keeps_it(space: MakeSpace) -> None:
    from growsearch.search.baselines import baselines

    big = baselines(space("growth.budget={parameters: 1000}").data)["big"]

    assert big["network"]["width"] > 1.0
    # An MLP with 64 inputs, 4 * width hidden units and 10 outputs.
    assert 900 < (64 + 10 + 1) * round(4 * big["network"]["width"]) + 10 <= 1000


def test_no_configuration_is_trained_twice(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub("search.budget.trials=20", "search.sampler=random", "growth.how=zero", text=SMALL)

    # Two learning rates, growing or not; and the baselines outside of the space, big and random.
    assert states(results) == ["complete"] * 6
    assert results["exhausted"]
    assert len(record(tmp_path / "run", "finished")) == 6


def test_what_does_not_grow_is_the_same_whatever_would_make_it_grow(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub("search.budget.trials=12", "search.baselines=false", "growth.when={never: {}}", text=SMALL)

    assert len(record(tmp_path / "run", "finished")) == 2


def test_failures_are_recorded_with_their_reason_and_the_study_goes_on(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub("training.optimizer.lr={type: choice, values: [0.001, 0.1, 0.9]}", "search.budget.trials=16")

    assert set(states(results)) == {"complete", "fail"}
    reasons = {trial["kind"]: trial["reason"] for trial in results["trials"] if trial["state"] == "fail"}
    assert reasons == {
        "diverged": "training diverged: the loss is nan at step 1",
        "refused": "this network is refused",
    }
    failed = results["failures"][0]["trial"]
    assert "Traceback" in (tmp_path / "run" / "trials" / str(failed) / "failure.txt").read_text()


def test_a_folder_keeps_its_study(run_stub: RunStub, space: MakeSpace, tmp_path: Path) -> None:
    run_stub("search.budget.trials=2")

    with pytest.raises(InputError, match="run holds the study 'space': go on with it without --study"):
        search(space("search.budget.trials=2"), tmp_path / "run", "cpu", 1, name="other")

    assert open_folder(tmp_path / "run").name == "space"


def test_more_trials_continue_a_study_and_repeat_nothing(run_stub: RunStub, tmp_path: Path) -> None:
    first = run_stub()
    again = run_stub("search.budget.trials=14")

    assert states(again) == ["complete"] * 14
    assert again["trials"][:8] == first["trials"]
    begun = [line["trial"] for line in record(tmp_path / "run", "begun")]
    assert len(begun) == len(set(begun))


def test_a_finished_study_does_nothing_more(run_stub: RunStub, tmp_path: Path) -> None:
    first = run_stub()
    before = len(record(tmp_path / "run", "begun"))

    assert run_stub() == first
    assert len(record(tmp_path / "run", "begun")) == before


def test_a_trial_that_breaks_a_constraint_is_not_the_best(run_stub: RunStub) -> None:
    results = run_stub("search.constraints=[{parameters: {max: 500}}]")

    big = results["trials"][1]
    assert big["measures"]["parameters"] == 800
    assert big["constraints"] == {"parameters.max": pytest.approx(300 / 500)}
    assert not big["feasible"]
    assert 1 not in results["best"]


def test_several_objectives_end_in_a_pareto_front(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub(
        "search={budget: {trials: 10}, sampler: nsga2, "
        "objectives: [{maximize: validation_accuracy}, {minimize: parameters}]}",
        "network.width={type: float, low: 0.5, high: 2.0}",
    )

    front = [trial["values"] for trial in results["trials"] if trial["number"] in results["best"]]
    everything = [trial["values"] for trial in results["trials"]]
    for accuracy, parameters in front:
        assert not any(a >= accuracy and p <= parameters and [a, p] != [accuracy, parameters] for a, p in everything)
    assert len(list((tmp_path / "run" / "pareto").glob("*.yaml"))) == len(front)


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2", "gp"])
def test_every_sampler_searches_a_space_with_conditions(run_stub: RunStub, sampler: str) -> None:
    results = run_stub(
        f"search={{budget: {{trials: 14}}, sampler: {sampler}, constraints: [{{parameters: {{max: 500}}}}]}}"
    )

    assert states(results).count("complete") + states(results).count("pruned") == 14


def test_seeds_are_averaged_and_a_trials_file_repeats_them(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub("search.seeds=3", "search.budget.trials=4")

    config = load_config(tmp_path / "run" / "best.yaml")
    assert config.seeds == 3
    best = results["trials"][results["best"][0]]
    assert best["values"][0] == pytest.approx(1 - sum(score(config, seed) for seed in range(3)) / 3)


def test_a_changed_space_is_refused_by_name_and_nothing_is_lost(run_stub: RunStub, tmp_path: Path) -> None:
    first = run_stub()

    with pytest.raises(InputError, match=r"another space: training.optimizer.lr.high, search.seeds differ"):
        run_stub("training.optimizer.lr.high=0.3", "search.seeds=2")

    assert run_stub() == first


def test_a_study_whose_making_was_interrupted_is_made_whole(run_stub: RunStub, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    open_storage(str(tmp_path / "run" / "study.journal")).create_new_study([StudyDirection.MAXIMIZE], "space")

    assert states(run_stub()) == ["complete"] * 8


def test_a_journal_of_another_space_is_not_taken_over(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    for name in ("search.json", "config.yaml"):
        (tmp_path / "run" / name).unlink()

    with pytest.raises(InputError, match=r"network.hidden differs"):
        run_stub("network.hidden=[5]")


def test_a_folder_with_other_runs_is_refused(run_stub: RunStub, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("data: {}")

    with pytest.raises(InputError, match="holds the runs of another command"):
        run_stub()


def test_a_file_without_ranges_is_refused(space: MakeSpace, tmp_path: Path) -> None:
    plain = space("training.optimizer.lr=0.1", "growth.when={never: {}}", "growth.how=zero")

    with pytest.raises(InputError, match="there is nothing to search"):
        search(plain, tmp_path / "run", "cpu", 1, train=train)
    assert not (tmp_path / "run").exists()


def test_a_constraint_that_nothing_keeps_is_refused_before_the_first_trial(run_stub: RunStub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"parameters ≤ 100 cannot be kept: .* starts with 310 parameters"):
        run_stub("search.constraints=[{parameters: {max: 100}}]", checked=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("flops: {min: 1e12}", "flops ≥ 1e\\+12 cannot be kept: no network of the space gets more than 600 flops"),
        ("validation_accuracy: {min: 2}", "validation_accuracy is between 0 and 1 .found {'min': 2.0}"),
        ("parameters: {min: 5, max: 4}", "no value keeps both limits .found min 5 above max 4"),
    ],
)
def test_a_limit_that_nothing_can_reach_is_refused(run_stub: RunStub, constraint: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_stub(f"search.constraints=[{{{constraint}}}]", "growth.budget={flops: 600}", checked=True)


def test_an_end_that_cannot_be_trained_is_refused_before_the_first_trial(run_stub: RunStub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a trial with network vgg19.* cannot be trained"):
        run_stub(
            "network={type: choice, options: {mlp: {hidden: [4]}, vgg19: {width: 0.05}}}", "growth=null", checked=True
        )
    assert not (tmp_path / "run").exists()


def test_an_objective_that_the_data_does_not_have_is_refused(run_stub: RunStub) -> None:
    with pytest.raises(
        InputError, match=r"no validation_loss: choose another objective, such as .*minimize: train_loss"
    ):
        run_stub("data={name: teacher_student}", checked=True)


def test_a_folder_that_cannot_be_written_is_refused(space: MakeSpace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        search(space(), tmp_path / "file" / "run", "cpu", 1, train=train)


def test_a_file_that_is_no_journal_is_refused(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()
    (tmp_path / "run" / "study.journal").write_text("no journal\nat all\n")

    with pytest.raises(InputError, match="is no journal"):
        run_stub()


def test_the_folder_holds_the_space_with_its_ranges(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub()

    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["growth"]["how"]["options"]["random"]["scale"] == {"type": "float", "low": 0.1, "high": 1.0}


@pytest.mark.parametrize(
    ("settings", "titles"),
    [
        (
            "pruner: none",
            ["History of validation_loss", "Parameters that decide about", "validation_loss and size"],
        ),
        (
            "objectives: [{maximize: validation_accuracy}, {minimize: parameters}]",
            ["History of parameters", "Pareto front"],
        ),
    ],
)
def test_the_report_shows_history_importance_and_what_is_best(
    run_stub: RunStub, tmp_path: Path, settings: str, titles: list[str]
) -> None:
    run_stub(f"search={{budget: {{trials: 12}}, {settings}}}", "network.width={type: float, low: 0.5, high: 2.0}")

    page = write_search_report(tmp_path / "run").read_text()

    assert [title for title in titles if f'-title">{title}' not in page] == []

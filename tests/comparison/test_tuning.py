from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison import compare, results_from
from growsearch.comparison.planned_jobs import planned_jobs
from growsearch.config import RunConfig
from growsearch.config.run_config import normalized
from growsearch.errors import InputError
from growsearch.execution.job import OfRun
from growsearch.runs.events import JobsStarted, RunFailed, RunStarted
from tests.watching import Told, is_kind, of_kind

Make = Callable[..., RunConfig]

DIGITS: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [4]},
    "training": {"steps": 3, "batch_size": 256, "optimizer": {"name": "sgd", "lr": 0.1}},
    "growth": {"when": {"interval": {"every": 1, "count": 1}}, "how": {"zero": {}}, "budget": {"units": 1}},
    "policies": {"zero": {}},
    "seeds": 2,
    "tune": {"learning_rates": [0.5, 2.0], "pilot_seeds": [100, 101]},
}


@pytest.fixture
def tuned() -> Make:
    def make(**sections: Any) -> RunConfig:
        return normalized({**DIGITS, **sections})

    return make


def run(config: RunConfig, folder: Path, events: list[Told] | None = None, workers: int = 1) -> dict[str, Any]:
    return compare(config, folder, "cpu", workers, None if events is None else events.append)


def pilot(folder: Path, name: str, factor: str, seed: int) -> dict[str, Any]:
    path = folder / "pilot runs" / name / f"lr x {factor}" / f"seed-{seed}" / "result.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def rate(folder: Path) -> float:
    """The learning rate of a run with a constant one."""
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    return float(json.loads(rows[-1])["lr"])


def test_policies_and_controls_have_the_rate_of_the_lowest_mean_validation_loss(tuned: Make, tmp_path: Path) -> None:
    results = run(tuned(controls=["small_equal_compute"]), tmp_path)

    found = results["verdict"]["tuning"]
    assert (found["learning_rates"], found["pilot_seeds"]) == ([0.5, 2.0], [100, 101])
    for name in ("zero", "zero's seed network at its compute"):
        means = [
            sum(pilot(tmp_path, name, factor, seed)["validation_loss"] for seed in (100, 101)) / 2
            for factor in ("0.5", "2")
        ]
        one = found["arms"][name]
        assert one["losses"] == pytest.approx(means)
        assert one["chosen"] == (2.0 if means[1] < means[0] else 0.5)
        assert one["learning_rate"] == 0.1 * one["chosen"]
        for seed in (0, 1):
            assert rate(tmp_path / name / f"seed-{seed}") == pytest.approx(one["learning_rate"])
    assert results["failures"] == []


def test_pilot_runs_read_no_test_set_and_are_not_compared(tuned: Make, tmp_path: Path) -> None:
    results = run(tuned(), tmp_path)

    assert list(results["policies"]) == ["zero"]
    assert results["policies"]["zero"]["seeds"] == [0, 1]
    assert pilot(tmp_path, "zero", "2", 100)["test_loss"] is None
    assert results["policies"]["zero"]["test_loss"][0] is not None


def test_a_controls_pilot_trains_for_the_flops_of_its_policys_chosen_pilot(tuned: Make, tmp_path: Path) -> None:
    run(tuned(controls=["retrained", "small_equal_compute"]), tmp_path)

    used = pilot(tmp_path, "zero", "2", 100)["training_flops"]
    step = pilot(tmp_path, "zero's seed network at its compute", "2", 100)
    assert used - step["training_flops"] / step["steps"] < step["training_flops"] <= used
    assert pilot(tmp_path, "zero, retrained", "0.5", 101)["widths"] == {"1": 5}


def test_pilot_runs_go_first_and_a_finished_comparison_repeats_none(tuned: Make, tmp_path: Path) -> None:
    events: list[Told] = []
    run(tuned(controls=["small_equal_compute"]), tmp_path, events)

    order = [told.policy for told in of_kind(events, RunStarted)]
    assert sorted(order[:4]) == ["zero, lr x 0.5"] * 2 + ["zero, lr x 2"] * 2
    control = "zero's seed network at its compute"
    assert max(order.index(f"{control}, lr x {rate}") for rate in ("0.5", "2")) < order.index(control)
    again: list[Told] = []
    run(tuned(controls=["small_equal_compute"]), tmp_path, again)
    assert again == [JobsStarted(runs=12, finished=12, workers=1)]


def test_a_rate_at_which_training_diverges_is_not_chosen_and_no_failure(tuned: Make, tmp_path: Path) -> None:
    wild = {"learning_rates": [1.0, 1e30], "pilot_seeds": [100]}
    events: list[Told] = []

    results = run(tuned(tune=wild), tmp_path, events)

    assert results["failures"] == []
    assert results["verdict"]["tuning"]["arms"]["zero"]["losses"][1] is None
    assert results["verdict"]["tuning"]["arms"]["zero"]["chosen"] == 1.0
    assert [told.policy for told in of_kind(events, RunFailed)] == ["zero, lr x 1e+30"]
    again: list[Told] = []
    run(tuned(tune=wild), tmp_path, again)
    assert again == [JobsStarted(runs=4, finished=4, workers=1)]


def test_where_every_rate_diverges_the_runs_fail_with_the_reason(tuned: Make, tmp_path: Path) -> None:
    results = run(tuned(tune={"learning_rates": [1e29, 1e30]}, controls=["small_equal_compute"]), tmp_path)

    reasons = {failure["policy"]: failure["reason"] for failure in results["failures"]}
    assert "no learning rate has been found for zero" in reasons["zero"]
    assert "tune.learning_rates" in reasons["zero"]
    assert set(reasons) == {"zero", "zero's seed network at its compute"}


def test_an_interrupted_comparison_goes_on_with_the_pilots_that_are_left(tuned: Make, tmp_path: Path) -> None:
    def interrupt(told: Told) -> None:
        if isinstance(told, OfRun) and told.policy == "zero, lr x 2" and is_kind(told, RunStarted):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(tuned(), tmp_path / "cut", "cpu", 1, interrupt)
    events: list[Told] = []
    cut = run(tuned(), tmp_path / "cut", events)

    assert events[0] == JobsStarted(runs=6, finished=1, workers=1)
    assert cut["policies"]["zero"]["test_loss"] == run(tuned(), tmp_path / "whole")["policies"]["zero"]["test_loss"]


def test_jobs_can_be_sent_to_processes_with_the_pilots_that_they_wait_for(tuned: Make, tmp_path: Path) -> None:
    *_, job = planned_jobs(tuned(controls=["small_equal_compute"]), tmp_path, "cpu", [])

    assert job.arm == "zero's seed network at its compute" and not job.pilot
    assert {one.policy.rpartition(" ")[2] for one in job.pilots} == {"0.5", "2"}
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_rate_at_the_edge_of_the_grid_is_warned_of(tuned: Make, tmp_path: Path) -> None:
    results = run(tuned(), tmp_path)

    found = results_from(results).conclusions
    assert found.tuning is not None and found.tuning.arms["zero"].edge == "highest"
    assert found.tuning.warning is not None
    assert found.tuning.warning.startswith("Learning rates at the edge of the grid: the highest for zero.")
    assert found.tuning.warning in found.advice.reasons


def test_tuning_needs_validation_data(comparison: Make, tmp_path: Path) -> None:
    config = normalized({**comparison().to_dict(), "tune": {}})

    with pytest.raises(InputError, match="tune: learning rates are chosen on validation data, and data 'teacher_stu"):
        run(config, tmp_path)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"pilot_seeds": [1, 7]}, r"tune.pilot_seeds: pilot seeds choose .*found \[1\]; allowed 2 and above"),
        ({"learning_rates": [1.0]}, "tune.learning_rates"),
        ({"learning_rates": [2.0, 1.0]}, "learning_rates must rise"),
        ({"learning_rate": [1.0, 2.0]}, "unknown key 'learning_rate'"),
    ],
)
def test_a_grid_that_cannot_be_used_is_refused(tuned: Make, tune: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tuned(tune=tune)


def test_the_file_is_kept_as_it_is_and_untuned_runs_stay_what_they_were(tuned: Make, tmp_path: Path) -> None:
    config = tuned()

    assert normalized(config.to_dict()).tune == config.tune
    assert config.tune is not None and config.policy_configs()["zero"].tune is None
    with pytest.raises(InputError, match="holds the runs of another configuration"):
        run(tuned(tune=None, seeds=1), tmp_path)
        run(tuned(seeds=1), tmp_path)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from growsearch.comparison import compare
from growsearch.config import RunConfig
from growsearch.errors import DamageWarning, InputError
from growsearch.execution.job import OfRun
from growsearch.runs.environment import read_environment
from growsearch.runs.events import JobsStarted, RowDone, RunFailed, RunStarted
from growsearch.runs.reading import read_json
from growsearch.training import load_network
from growsearch.training.threads import threads
from tests.watching import Told, is_kind, of_kind

Make = Callable[..., RunConfig]

DIVERGING = {"training": {"optimizer": {"name": "sgd", "lr": 1e30}}}


def run(config: RunConfig, folder: Path, events: list[Told] | None = None) -> dict[str, Any]:
    return compare(config, folder, "cpu", workers=1, progress=None if events is None else events.append)


def test_every_policy_runs_with_every_seed(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(), tmp_path)

    assert results == json.loads((tmp_path / "results.json").read_text())
    assert list(results["policies"]) == ["small", "zero"]
    assert results["failures"] == []
    for policy in ("small", "zero"):
        rows = results["policies"][policy]
        runs = [json.loads((tmp_path / policy / f"seed-{seed}" / "result.json").read_text()) for seed in (0, 1)]
        assert rows["seeds"] == [0, 1]
        assert rows["seed_parameters"] == [21, 21]
        for key in set(rows) - {"seeds", "seed_parameters"}:
            assert rows[key] == [result[key] for result in runs]


def test_what_a_run_cost_and_became(comparison: Make, tmp_path: Path) -> None:
    # A 4:3:3 network without bias has 21 weights; one sample costs 2*21 FLOPs forward, 2*21 for the weights'
    # gradients and 2*9 for the hidden layer's: 102, times 50 samples and 12 steps. Each unit adds 7 weights.
    results = run(comparison(), tmp_path)

    small, zero = results["policies"]["small"], results["policies"]["zero"]
    assert small["parameters"] == [21, 21]
    assert small["training_flops"] == [102 * 50 * 12] * 2
    assert small["growth_events"] == [0, 0]
    assert small["test_accuracy"] == [None, None]
    assert zero["parameters"] == [35, 35]
    assert zero["training_flops"][0] > small["training_flops"][0]
    assert [list(widths.values()) for widths in zero["widths"]] == [[5], [5]]


def test_policies_start_from_the_same_network_and_data(comparison: Make, tmp_path: Path) -> None:
    policies = {name: {"growth": {"when": {"never": {}}}} for name in ("one", "other")}

    policies_results = run(comparison(policies=policies), tmp_path)["policies"]

    assert policies_results["one"]["test_loss"] == policies_results["other"]["test_loss"]
    assert policies_results["one"]["test_loss"][0] != policies_results["one"]["test_loss"][1]


def test_the_folder_says_what_was_run_and_where(comparison: Make, tmp_path: Path) -> None:
    config = comparison()

    run(config, tmp_path)

    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == config.to_dict()
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["seeds"] == [0, 1]
    assert environment["packages"]["torch"]
    assert (environment["workers"], environment["device"]) == (1, "cpu")
    assert sum(p.numel() for p in load_network(tmp_path / "zero" / "seed-1").parameters()) == 35


def test_a_failed_run_does_not_stop_the_others(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []
    policies = {"wild": DIVERGING, "zero": {}}

    results = run(comparison(policies=policies), tmp_path, events)

    assert [(failure["policy"], failure["seed"]) for failure in results["failures"]] == [("wild", 0), ("wild", 1)]
    assert "training diverged" in results["failures"][0]["reason"]
    assert results["policies"]["wild"]["seeds"] == []
    assert results["policies"]["zero"]["seeds"] == [0, 1]
    assert [told.seed for told in of_kind(events, RunFailed)] == [0, 1]
    assert "TrainingDiverged" in (tmp_path / "wild" / "seed-0" / "failure.txt").read_text()


def test_finished_runs_are_kept_and_more_seeds_can_be_added(comparison: Make, tmp_path: Path) -> None:
    before = run(comparison(), tmp_path)
    events: list[Told] = []

    after = run(comparison(seeds=3), tmp_path, events)

    assert events[0] == JobsStarted(runs=6, finished=4, workers=1)
    assert {(told.policy, told.seed) for told in of_kind(events, RunStarted)} == {("small", 2), ("zero", 2)}
    assert after["policies"]["zero"]["seconds"][:2] == before["policies"]["zero"]["seconds"]
    assert after["policies"]["zero"]["seeds"] == [0, 1, 2]


def test_later_runs_of_a_folder_use_as_many_threads_as_the_first(comparison: Make, tmp_path: Path) -> None:
    compare(comparison(seeds=1), tmp_path, "cpu", workers=1)
    with threads(2):
        compare(comparison(seeds=2), tmp_path, "cpu", workers=1)
    found = {read_environment(tmp_path).threads_per_worker}
    found |= {read_json(path)["threads"] for path in tmp_path.glob("*/seed-*/result.json")}
    assert found == {1}

    (tmp_path / "environment.json").write_text("{")
    with pytest.warns(DamageWarning, match=r"environment.json: is damaged.*written anew"):
        compare(comparison(seeds=2), tmp_path, "cpu", workers=1)
    assert read_environment(tmp_path).threads_per_worker == 1


def test_the_reference_can_be_named_and_changed_afterwards(comparison: Make, tmp_path: Path) -> None:
    before = run(comparison(), tmp_path)
    events: list[Told] = []

    after = run(comparison(reference="zero"), tmp_path, events)

    assert (before["verdict"]["reference"], after["verdict"]["reference"]) == ("small", "zero")
    assert [type(told) for told in events] == [JobsStarted]
    assert after["verdict"]["pairs"][0]["mean_difference"] == -before["verdict"]["pairs"][0]["mean_difference"]


def test_an_unknown_reference_is_refused_before_anything_runs(comparison: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference: unknown policy 'big'"):
        run(comparison(reference="big"), tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_what_the_runs_were_worth_on_the_way(comparison: Make, tmp_path: Path) -> None:
    data = {"name": "digits"}
    network = {"name": "mlp", "hidden": [4]}
    training = {"steps": 4, "batch_size": 256, "optimizer": {"name": "sgd", "lr": 0.05}}
    policies = {"small": {"growth": {"when": {"never": {}}}}, "failed": DIVERGING}

    results = run(comparison(data=data, network=network, training=training, policies=policies), tmp_path)

    small = results["trajectories"]["policies"]["small"]
    assert results["trajectories"]["metric"] == "validation_accuracy"
    assert [len(values) for values in small.values()] == [2, 2, 2, 2]
    assert results["trajectories"]["policies"]["failed"]["final"] == []
    rows = (tmp_path / "small" / "seed-1" / "metrics.jsonl").read_text().splitlines()
    assert small["final"][1] == json.loads(rows[-1])["validation_accuracy"]
    assert results["trajectories"]["to_flops"] == results["policies"]["small"]["training_flops"][0]


def test_an_interrupted_comparison_is_continued(comparison: Make, tmp_path: Path) -> None:
    def interrupt(told: Told) -> None:
        if isinstance(told, OfRun) and (told.policy, told.seed) == ("zero", 1) and is_kind(told, RowDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(comparison(), tmp_path, "cpu", workers=1, progress=interrupt)
    assert not (tmp_path / "results.json").exists()

    results = run(comparison(), tmp_path)

    assert results["policies"]["zero"]["seeds"] == [0, 1]
    assert results["failures"] == []


def test_a_folder_with_another_configuration_is_refused(comparison: Make, tmp_path: Path) -> None:
    run(comparison(), tmp_path)

    with pytest.raises(InputError, match="holds the runs of another configuration"):
        run(comparison(network={"name": "mlp", "hidden": [4], "bias": False}), tmp_path)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"training": {"optimizer": {"name": "muon", "lr": 0.1}}, "network": {"bias": True}}, "policy odd: .*muon"),
        ({"growth": {"how": {"gradmax": {}}}, "network": {"activation": "sigmoid"}}, "policy odd: .*is 0.5 at 0"),
        ({"growth": {"budget": {"parameters": 5}}}, "policy odd: .*budget"),
    ],
)
def test_a_policy_that_cannot_run_is_refused_before_anything_runs(
    comparison: Make, tmp_path: Path, policy: dict[str, Any], message: str
) -> None:
    events: list[Told] = []

    with pytest.raises(InputError, match=message):
        run(comparison(policies={"zero": {}, "odd": policy}), tmp_path, events)

    assert events == []


def test_the_most_expensive_runs_come_first(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []
    never = {"growth": {"when": {"never": {}}}}
    policies = {"small": never, "big": {**never, "network": {"hidden": [30]}}, "middle": {"network": {"hidden": [9]}}}

    run(comparison(policies=policies, seeds=1), tmp_path, events)

    assert [told.policy for told in of_kind(events, RunStarted)] == ["big", "middle", "small"]


def test_a_single_run_is_a_comparison_of_one(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(policies={}, seeds=1), tmp_path)

    assert list(results["policies"]) == ["run"]
    assert (tmp_path / "run" / "seed-0" / "model.safetensors").exists()


def test_only_the_named_sites_grow(comparison: Make, tmp_path: Path) -> None:
    network = {"name": "mlp", "hidden": [3, 3], "bias": False}
    growth = {"when": {"interval": {"every": 4, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}}

    results = run(comparison(network=network, growth={**growth, "sites": ["2"]}, policies={}, seeds=1), tmp_path)

    assert results["policies"]["run"]["widths"] == [{"0": 3, "2": 5}]

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from growsearch.comparison import compare, results_from
from growsearch.comparison.control_differences import ControlConclusions, ControlRuns, conclude_controls
from growsearch.comparison.controls import Control, planned_controls
from growsearch.comparison.found_controls import Grown, find_controls, lacking_controls, lacking_sentence
from growsearch.comparison.metric import ACCURACY
from growsearch.config import RunConfig
from growsearch.config.run_config import normalized
from growsearch.errors import InputError
from growsearch.execution.job import OfRun
from growsearch.export.finished import find_network
from growsearch.runs.events import JobsStarted, RowDone, RunFailed, RunFinished, RunStarted
from growsearch.training import load_network
from tests.watching import Told, is_kind, of_kind

Make = Callable[..., RunConfig]

BOTH = ("retrained", "equal_compute")
FIXED = {"growth": {"when": {"never": {}}}}
BIG = {**FIXED, "network": {"hidden": [5]}}
SAMPLE = 102  # FLOPs of the 4:3:3 network, forward and backward; 34 more for each unit


def run(config: RunConfig, folder: Path, events: list[Told] | None = None, workers: int = 1) -> dict[str, Any]:
    return compare(config, folder, "cpu", workers, None if events is None else events.append)


def test_every_growing_policy_gets_its_controls_for_every_seed(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(policies={"small": FIXED, "big": BIG, "zero": {}}, controls=BOTH), tmp_path)

    assert results == json.loads((tmp_path / "results.json").read_text())
    assert list(results["policies"]) == ["small", "big", "zero"]
    retrained, big = results["controls"]["zero, retrained"], results["controls"]["big at zero's compute"]
    assert list(results["controls"]) == ["zero, retrained", "big at zero's compute"]
    assert (retrained["kind"], retrained["of"], retrained["network"]) == ("retrained", "zero", "zero")
    assert (big["kind"], big["of"], big["network"]) == ("equal_compute", "zero", "big")
    assert retrained["seeds"] == big["seeds"] == [0, 1]
    assert retrained["widths"] == results["policies"]["zero"]["widths"] == [{"0": 5}, {"0": 5}]
    assert retrained["growth_events"] == [0, 0]
    assert [row.policy for row in results_from(results).control_rows()] == list(results["controls"])
    assert find_network(tmp_path, "zero, retrained", 1) == tmp_path / "zero, retrained" / "seed-1"


def test_the_retrained_network_is_the_one_that_is_built_at_that_size(comparison: Make, tmp_path: Path) -> None:
    # Of the same size and with the same seed, data order and schedule, it is the very run of `big`.
    results = run(comparison(policies={"big": BIG, "zero": {}}, controls=("retrained",)), tmp_path)

    assert results["controls"]["zero, retrained"]["test_loss"] == results["policies"]["big"]["test_loss"]
    assert results["controls"]["zero, retrained"]["training_flops"] == results["policies"]["big"]["training_flops"]
    for name, value in load_network(tmp_path / "big" / "seed-1").state_dict().items():
        assert torch.equal(load_network(tmp_path / "zero, retrained" / "seed-1").state_dict()[name], value)


def test_equal_compute_is_what_the_growing_run_used(comparison: Make, tmp_path: Path) -> None:
    # 12 steps of 50 samples: 4 with 3 hidden units, 4 with 4, 4 with 5, and what growing itself computed.
    results = run(comparison(policies={"big": BIG, "zero": {}}, controls=("equal_compute",)), tmp_path)

    zero = results["policies"]["zero"]
    used = 50 * 4 * (SAMPLE + (SAMPLE + 34) + (SAMPLE + 68)) + zero["growth_flops"][0]
    assert zero["training_flops"] == [used, used]
    step = 50 * (SAMPLE + 68)
    assert zero["growth_flops"][0] > step  # so that it makes a difference here
    assert results["controls"]["big at zero's compute"]["training_flops"] == [used // step * step] * 2
    found = json.loads((tmp_path / "big at zero's compute" / "seed-0" / "result.json").read_text())
    assert found["steps"] == used // step > 9


def test_without_a_fixed_big_policy_the_grown_architecture_gets_the_compute(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(policies={"zero": {}}, controls=("equal_compute",), seeds=1), tmp_path)

    (name,) = results["controls"]
    assert name == "zero, retrained at its compute"
    (used,), step = results["policies"]["zero"]["training_flops"], 50 * (SAMPLE + 68)
    assert results["controls"][name]["training_flops"] == [used // step * step]
    assert results["controls"][name]["widths"] == [{"0": 5}]


def test_what_is_asked_for_where_nothing_grows_is_refused(comparison: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="controls: no policy grows"):
        run(comparison(policies={"small": FIXED}, controls=BOTH), tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_unknown_controls_are_named(comparison: Make) -> None:
    plain = {**comparison().to_dict(), "controls": ["retrain"]}

    with pytest.raises(
        InputError, match=r"controls.0: unknown control .*allowed retrained, equal_compute.*'retrained'"
    ):
        normalized(plain)
    with pytest.raises(InputError, match="controls: must be a list"):
        normalized({**plain, "controls": "retrained"})


def test_a_control_begins_when_its_run_has_finished(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []

    run(comparison(policies={"big": BIG, "zero": {}}, controls=BOTH), tmp_path, events)

    order = [(told.policy, told.seed, type(told.event)) for told in of_kind(events, RunStarted, RunFinished)]
    for seed in (0, 1):
        for control in ("zero, retrained", "big at zero's compute"):
            assert order.index(("zero", seed, RunFinished)) < order.index((control, seed, RunStarted))
    assert isinstance(events[0], JobsStarted) and events[0].runs == 8


def test_controls_run_in_parallel_processes(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []

    results = run(comparison(policies={"zero": {}}, controls=BOTH, seeds=1), tmp_path, events, workers=2)

    assert results["failures"] == []
    assert [rows["seeds"] for rows in results["controls"].values()] == [[0], [0]]
    order = [told.policy for told in of_kind(events, RunStarted)]
    assert order[0] == "zero"


def test_controls_fail_with_the_run_that_they_belong_to(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []
    wild = {"training": {"optimizer": {"name": "sgd", "lr": 1e30}}}

    results = run(comparison(policies={"wild": wild, "zero": {}}, controls=("retrained",), seeds=1), tmp_path, events)

    reasons = {failure["policy"]: failure["reason"] for failure in results["failures"]}
    assert set(reasons) == {"wild", "wild, retrained"}
    assert reasons["wild, retrained"].startswith("wild seed 0, which it needs, failed: training diverged")
    assert results["controls"]["wild, retrained"]["seeds"] == []
    assert results["controls"]["zero, retrained"]["seeds"] == [0]
    assert [told.policy for told in of_kind(events, RunFailed)] == ["wild", "wild, retrained"]


def test_an_interrupted_comparison_goes_on_with_its_controls(comparison: Make, tmp_path: Path) -> None:
    config = comparison(policies={"zero": {}}, controls=BOTH)

    def interrupt(told: Told) -> None:
        if isinstance(told, OfRun) and told.policy == "zero, retrained" and is_kind(told, RowDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(config, tmp_path / "cut", "cpu", 1, interrupt)
    events: list[Told] = []
    cut = run(config, tmp_path / "cut", events)
    whole = run(config, tmp_path / "whole")

    assert isinstance(events[0], JobsStarted) and events[0].finished >= 1
    assert [rows["test_loss"] for rows in cut["controls"].values()] == [
        rows["test_loss"] for rows in whole["controls"].values()
    ]
    again: list[Told] = []
    run(config, tmp_path / "cut", again)
    assert [type(told) for told in again] == [JobsStarted]


def test_controls_can_be_added_to_a_finished_comparison(comparison: Make, tmp_path: Path) -> None:
    before = run(comparison(), tmp_path)
    events: list[Told] = []

    after = run(comparison(controls=("retrained",)), tmp_path, events)

    assert before["controls"] == {}
    assert events[0] == JobsStarted(runs=6, finished=4, workers=1)
    assert after["policies"]["zero"]["seconds"] == before["policies"]["zero"]["seconds"]
    assert after["controls"]["zero, retrained"]["seeds"] == [0, 1]


def rows(*values: float) -> dict[str, list[Any]]:
    return {"seeds": list(range(len(values))), "test_accuracy": list(values)}


def concluded(ours: dict[str, Any], controls: list[Control], theirs: dict[str, Any]) -> ControlConclusions:
    return conclude_controls(ACCURACY, ours, [], ControlRuns(tuple(controls), theirs))


def test_controls_are_a_family_of_tests_of_their_own() -> None:
    # Six differences of one sign have p = 2/64, and two such comparisons p = 4/64 each after Holm's correction.
    controls = [
        Control("a, retrained", "retrained", "a", "a"),
        Control("big at a's compute", "equal_compute", "a", "big"),
    ]
    worse = [rows(*[0.5 + 0.01 * seed for seed in range(6)]), rows(*[0.4] * 6)]
    named = {control.name: one for control, one in zip(controls, worse, strict=True)}

    both = concluded({"a": rows(*[0.9] * 6)}, controls, named)
    one = concluded({"a": rows(*[0.9] * 6)}, controls[1:], named)

    assert [pair.adjusted_p_value for pair in both.pairs] == [4 / 64, 4 / 64]
    assert [pair.direction for pair in both.pairs] == [None, None]
    assert one.pairs[0].direction == "better"
    assert one.sentences == (
        "a reaches 90.00 %; big with the same training FLOPs 40.00 % (−50.00 ± 0.00 points, p = 0.031).",
    )


def test_the_sentence_is_of_the_seeds_that_both_finished() -> None:
    control = Control("a, retrained", "retrained", "a", "a")

    found = concluded({"a": rows(0.9, 0.92, 0.1)}, [control], {control.name: rows(0.91, 0.96)})

    # Changes of 1 and 4 points: a mean of 2.5, a standard error of 1.5.
    assert found.sentences == (
        "a reaches 91.00 %; the same architecture trained from scratch 93.50 % (+2.50 ± 1.50 points, not significant).",
    )


def grown(config: RunConfig, seed: float, final: float | None = None, flops: float | None = None) -> Grown:
    final = seed if final is None else final
    return Grown(config, seed, final, final if flops is None else flops)


def test_controls_are_told_by_what_policies_are_and_not_by_their_names(comparison: Make) -> None:
    policies = {
        "small": {},
        "a": FIXED,
        "b": BIG,
        "c": {"growth": {"how": {"random": {}}}},
        "deeper": {"growth": {"how": {"identity": {}}}},
    }
    configs = comparison(policies=policies).policy_configs()
    sizes = {"small": (21, 35), "a": (21,), "b": (36,), "c": (21, 35), "deeper": (21, 35)}
    found = {name: grown(config, *sizes[name]) for name, config in configs.items()}

    def controls(*names: str, **retrained: str) -> dict[str, dict[str, str | None]]:
        made = {name: Control(name, "retrained", of, of) for of, name in retrained.items()}
        return find_controls({name: found[name] for name in names}, made)

    every = {"small": "a", "big": "b", "retrained": None, "small_equal_compute": None}
    assert controls("small", "a", "b", "c", "deeper", small="small, retrained") == {
        "small": {**every, "retrained": "small, retrained", "random": "c"},
        "c": {**every, "random": "c"},
        "deeper": every,
    }
    assert lacking_controls(controls("small", "a", small="small, retrained")) == {
        "small_equal_compute": ["small"],
        "big": ["small"],
        "random": ["small"],
    }
    assert lacking_controls(controls("deeper", "b")) == {
        "small": ["deeper"],
        "small_equal_compute": ["deeper"],
        "retrained": ["deeper"],
    }
    assert controls("a", "b") == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"growth": {"when": {"interval": {"every": 3, "count": 2}}}},
        {"growth": {"where": {"random": {}}}},
        {"growth": {"budget": {"units": 1}}},
        {"growth": {"new_units": {"age": 5}}},
        {"training": {"optimizer": {"lr": 0.5}}},
    ],
)
def test_random_growth_at_other_times_or_places_or_trained_otherwise_is_no_control(
    comparison: Make, changed: dict[str, Any]
) -> None:
    random = {**changed, "growth": {"how": {"random": {}}, **changed.get("growth", {})}}
    policies = {"zero": {}, "random": random}
    found = {name: grown(config, 21, 35) for name, config in comparison(policies=policies).policy_configs().items()}

    assert find_controls(found, {})["zero"]["random"] is None
    assert lacking_controls(find_controls(found, {}))["random"] == ["zero"]


def test_a_fixed_network_that_was_trained_as_the_policy_comes_before_others(comparison: Make) -> None:
    longer = {**BIG, "training": {"optimizer": {"lr": 0.5}}}
    configs = comparison(policies={"zero": {}, "longer": longer, "big": BIG}).policy_configs()
    sizes = {"zero": (21, 35), "longer": (35,), "big": (36,)}
    found = {name: grown(config, *sizes[name]) for name, config in configs.items()}

    assert find_controls(found, {})["zero"]["big"] == "big"
    assert find_controls({name: found[name] for name in ("zero", "longer")}, {})["zero"]["big"] == "longer"


def test_the_seeds_network_at_equal_flops_is_a_control_whoever_asked_for_it(comparison: Make) -> None:
    configs = comparison(policies={"zero": {}, "small": FIXED, "longer": FIXED, "longest": FIXED}).policy_configs()
    sizes = {"zero": (21, 35, 100), "small": (21, 21, 60), "longer": (21, 21, 96), "longest": (21, 21, 200)}
    found = {name: grown(config, *sizes[name]) for name, config in configs.items()}
    made = {"asked for": Control("asked for", "small_equal_compute", "zero", "zero")}

    assert find_controls(found, {})["zero"]["small_equal_compute"] == "longer"
    assert find_controls(found, made)["zero"]["small_equal_compute"] == "asked for"
    del found["longer"]
    assert find_controls(found, {})["zero"]["small_equal_compute"] is None


def test_the_seeds_network_trains_for_the_grown_runs_flops(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(policies={"zero": {}}, controls=("small_equal_compute",)), tmp_path)

    [(name, control)] = results["controls"].items()
    assert name == "zero's seed network at its compute"
    assert control["widths"] == [{"0": 3}, {"0": 3}]
    for used, flops in zip(results["policies"]["zero"]["training_flops"], control["training_flops"], strict=True):
        assert used - SAMPLE * 50 < flops <= used  # whole steps of 50 samples
        assert flops > SAMPLE * 50 * 12  # more than the 12 steps of the growing run at the seed's size
    controls = results["verdict"]["controls"]
    assert controls["found"]["zero"]["small_equal_compute"] == name
    assert "the network of the seed's size with the same training FLOPs" in controls["sentences"][0]


def test_what_lacks_is_said_in_a_line() -> None:
    assert lacking_sentence({}, 2) is None
    assert lacking_sentence({"big": ["a", "b"], "random": ["a"]}, 2) == (
        "Lacking, of the five controls of growth: a fixed network of the final size; random growth at the same times "
        "and places (for a)."
    )


def test_a_comparison_says_what_it_lacks(comparison: Make, tmp_path: Path) -> None:
    results = run(comparison(seeds=1), tmp_path)

    controls = results["verdict"]["controls"]
    assert list(controls["lacking"]) == ["small_equal_compute", "big", "retrained", "random"]
    assert controls["found"] == {
        "zero": {"small": "small", "small_equal_compute": None, "big": None, "retrained": None, "random": None}
    }
    assert controls["lacking_sentence"].endswith(
        "Without the control small_equal_compute nothing can be said on whether growing was worth it: the seed's "
        "network may gain as much by training as long."
    )
    assert results["samples"] == {"training": 50, "validation": 0, "test": 50}
    assert {row.policy for row in results_from(results).rows()} == {"small", "zero"}


def test_a_growing_policy_called_big_is_not_the_control(comparison: Make) -> None:
    configs = comparison(policies={"big": {}, "small": FIXED}).policy_configs()

    assert [control.name for control in planned_controls(configs, BOTH)] == [
        "big, retrained",
        "big, retrained at its compute",
    ]


def test_sizes_are_of_active_parameters(comparison: Make, tmp_path: Path) -> None:
    policies = {
        "pruned": {
            "network": {"hidden": [16]},
            "growth": {"where": {"nest": {}}, "how": {"nest": {"seed_density": 1.0, "grow_events": 0, "prune": 0.8}}},
        },
        "dense": {**FIXED, "network": {"hidden": [16]}},
    }

    results = run(comparison(policies=policies, seeds=1), tmp_path)

    (active,), (parameters,) = (results["policies"]["pruned"][key] for key in ("active_parameters", "parameters"))
    assert active < 0.9 * parameters
    assert results["verdict"]["controls"]["found"]["pruned"] == {
        "small": "dense",
        "big": None,
        "retrained": None,
        "random": None,
    }

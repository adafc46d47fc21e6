"""What loading gives: defaults filled in, overrides set, policies merged, and the same again after writing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from growsearch.config import RunConfig, load_config
from growsearch.errors import ConfigError
from tests.config.conftest import PLAIN, Write

POLICIES = (
    PLAIN
    + """\
policies:
  same: {}
  big: {network: {width: 1.0}, growth: {when: never}}
  other: {network: {name: small_cnn}, growth: {how: zero, budget: {units: 4}}}
  long: {training: {epochs: null, steps: 7, optimizer: {name: adam, lr: 1e-3}}}
  still: {growth: null}
seeds: 3
"""
)


def test_defaults_are_filled_in(write: Write) -> None:
    config = load_config(write(PLAIN))

    assert config.seeds == 1
    assert config.training.precision == "auto"
    assert config.training.schedule.name == "constant"
    assert config.network["activation"] == "relu"
    assert config.growth.where == {"uniform": {}}
    assert config.growth.how["random"]["distribution"] == "signed"
    assert config.growth.grows


def test_a_file_without_growth_never_grows(write: Write) -> None:
    config = load_config(write(PLAIN[: PLAIN.index("growth:")]))

    assert config.growth.when == {"never": {}}
    assert not config.growth.grows


def test_optimizer_arguments_are_those_that_the_file_gives(write: Write) -> None:
    assert load_config(write(PLAIN)).training.optimizer == {"name": "sgd", "lr": 0.1, "momentum": 0.9}


def test_overrides_are_yaml_values_at_a_path(write: Write) -> None:
    config = load_config(
        write(PLAIN),
        ["training.optimizer.lr=1e-2", "network.hidden=[4, 4]", "network.hidden.1=6", "growth.how=zero"],
        5,
    )

    assert config.training.optimizer["lr"] == 0.01
    assert config.network["hidden"] == [4, 6]
    assert list(config.growth.how) == ["zero"]
    assert config.seeds == 5


def test_the_budgets_width_is_on_the_scale_of_the_networks(write: Write) -> None:
    assert load_config(write(PLAIN)).grown_width() == 2.0
    assert load_config(write(PLAIN), ["growth.budget={units: 4}"]).grown_width() is None


def test_a_policy_is_merged_key_by_key_and_what_it_names_replaces_the_files_whole(write: Write) -> None:
    config = load_config(write(POLICIES))

    policies = config.policy_configs()

    assert list(policies) == ["same", "big", "other", "long", "still"]
    assert policies["same"].to_dict() == {k: v for k, v in config.to_dict().items() if k != "policies"}
    assert policies["big"].network == {**config.network, "width": 1.0}
    assert policies["big"].growth.budget == {"width": 1.0}
    assert policies["other"].network["name"] == "small_cnn"
    assert "hidden" not in policies["other"].network
    assert list(policies["other"].growth.how) == ["zero"]
    assert policies["other"].growth.budget == {"units": 4}
    assert policies["other"].growth.when == config.growth.when
    assert (policies["long"].training.epochs, policies["long"].training.steps) == (None, 7)
    assert policies["long"].training.optimizer == {"name": "adam", "lr": 1e-3}
    assert not policies["still"].growth.grows
    assert all(policy.seeds == 3 and not policy.policies for policy in policies.values())


def test_a_file_without_policies_is_the_policy_run(write: Write) -> None:
    config = load_config(write(PLAIN))

    assert {name: policy.to_dict() for name, policy in config.policy_configs().items()} == {"run": config.to_dict()}


@pytest.mark.parametrize("text", [PLAIN, POLICIES])
def test_a_written_configuration_loads_as_the_same(write: Write, tmp_path: Path, text: str) -> None:
    config = load_config(write(text))
    copy = tmp_path / "config.yaml"
    copy.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False))

    again = load_config(copy)

    assert again.to_dict() == config.to_dict()
    assert {k: v.to_dict() for k, v in again.policy_configs().items()} == {
        k: v.to_dict() for k, v in config.policy_configs().items()
    }


def test_schedules_survive_writing(write: Write, tmp_path: Path) -> None:
    text = PLAIN.replace("batch_size: 32", "batch_size: 32\n  schedule: {name: step, milestones: [0.5], factor: 0.2}")
    config = load_config(write(text))
    copy = tmp_path / "config.yaml"
    copy.write_text(yaml.safe_dump(config.to_dict()))

    assert load_config(copy).training.schedule == config.training.schedule


def test_a_problem_of_a_policy_is_placed_in_the_policy_and_one_of_the_file_is_listed_once(write: Write) -> None:
    path = write(POLICIES.replace("units: 4", "units: 0").replace("lr: 0.1", "lr: 0"))

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    lines = str(caught.value).splitlines()
    assert [line.removeprefix(f"{path}:") for line in lines] == [
        "6:26: training.optimizer.lr: out of range (found 0; allowed more than 0)",
        "15:68: policies.other.growth.budget.units: out of range (found 0; allowed 1 or more)",
    ]


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ("policies: {}", "policies: must be a mapping of names"),
        ("policies: [a]", "policies: must be a mapping of names"),
        ("policies: {a/b: {}}", "not a name for a folder"),
        ("policies: {a: 5}", "policies.a: must be a mapping"),
        ("policies: {a: {seeds: 5}}", "policies.a.seeds: not a policy's to set"),
        ("policies: {a: {netwrok: {}}}", "did you mean 'network'?"),
    ],
)
def test_malformed_policies_are_refused(write: Write, policies: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(PLAIN + policies))

    [line] = str(caught.value).splitlines()
    assert words in line


def test_it_is_named_after_its_file(write: Write) -> None:
    config = load_config(write(PLAIN))

    assert config.name == "file"
    assert isinstance(config, RunConfig)

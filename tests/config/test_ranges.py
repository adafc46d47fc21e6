"""Ranges: checked at both ends and for every option, and refused where a run needs a value."""

from __future__ import annotations

import pytest

from growsearch.config import load_config, load_space
from growsearch.config.ranges import variants
from growsearch.errors import ConfigError
from tests.config.conftest import PLAIN, Write

CHOICE = """\
  when:
    type: choice
    options:
      interval: {every: {type: int, low: 5, high: 50, log: true}}
      plateau: {patience: {type: int, low: 2, high: 8}}
"""
OPEN = PLAIN.replace("  when: {interval: {every: 5}}\n", CHOICE).replace(
    "lr: 0.1", "lr: {type: float, low: 1e-3, high: 1, log: true}"
)
OPTIMIZER = PLAIN.replace(
    "{name: sgd, lr: 0.1, momentum: 0.9}",
    "{type: choice, options: {sgd: {lr: 0.1}, adam: {lr: {type: float, low: 1e-4, high: 1e-2}}}}",
)


def test_a_range_may_stand_wherever_a_value_does(write: Write) -> None:
    space = load_space(write(OPEN))

    assert space.ranges == [("training", "optimizer", "lr"), ("growth", "when")]
    assert space.first().training.optimizer["lr"] == 1e-3
    assert space.first().growth.when["interval"]["every"] == 5


def test_an_optimizer_can_be_chosen_with_parameters_of_its_own(write: Write) -> None:
    assert load_space(write(OPTIMIZER)).first().training.optimizer == {"name": "sgd", "lr": 0.1}


def test_variants_visit_both_ends_of_every_range_and_every_option(write: Write) -> None:
    plain = [variant.data for variant in variants(load_space(write(OPEN)).data)]

    assert {one["training"]["optimizer"]["lr"] for one in plain} == {1e-3, 1}
    assert {one["growth"]["when"].get("interval", {}).get("every") for one in plain} == {5, 50, None}
    assert {one["growth"]["when"].get("plateau", {}).get("patience") for one in plain} == {2, 8, None}


def test_run_and_compare_refuse_ranges_by_name(write: Write) -> None:
    path = write(OPEN)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).splitlines() == [
        f"{path}:6:26: training.optimizer.lr is a range",
        f"{path}:9:3: growth.when is a range",
        f"{path}: ranges are for a search: to run or compare, give each a value: --set training.optimizer.lr=...",
    ]


def test_a_value_takes_a_ranges_place(write: Write) -> None:
    config = load_config(write(OPEN), ["training.optimizer.lr=0.5", "growth.when={interval: {every: 3}}"])

    assert config.training.optimizer["lr"] == 0.5


@pytest.mark.parametrize(
    ("text", "old", "new", "place", "words"),
    [
        (OPEN, "low: 1e-3", "low: 0", "6:26: training.optimizer.lr: a range with log needs a low above 0", "found 0"),
        (
            OPEN,
            "low: 1e-3, high: 1, log: true",
            "low: 0, high: 1",
            "6:44: training.optimizer.lr.low: out of range",
            "0",
        ),
        (OPEN, "high: 1,", "high: 1e-4,", "6:26: training.optimizer.lr: low must not be above high", "high 0.0001"),
        (OPEN, "low: 5", "low: 0, step: 5", "12:18", "needs a low above 0"),
        (
            OPEN,
            "{type: int, low: 2, high: 8}",
            "{type: int, low: 0, high: 8}",
            "13:39: growth.when.options.plateau.patience.low",
            "",
        ),
        (
            OPEN,
            "plateau: {",
            "platoe: {",
            "13:7: growth.when.options.platoe: unknown scheduler",
            "did you mean 'plateau'?",
        ),
        (OPEN, "patience:", "patient:", "13:17: growth.when.options.plateau.patient: unknown key", "'patience'?"),
        (OPEN, "type: float", "type: flaot", "6:31: training.optimizer.lr.type: unknown type of range", "'float'?"),
        (OPEN, "low: 1e-3, high", "lo: 1e-3, high", "6:44: training.optimizer.lr.lo: unknown key 'lo'", "'low'?"),
        (OPTIMIZER, "high: 1e-2", "high: x", "6:91", "allowed a number"),
        (
            OPTIMIZER,
            "sgd: {lr: 0.1}",
            "sdg: {lr: 0.1}",
            "6:39: training.optimizer.options.sdg: unknown optimizer",
            "'sgd'?",
        ),
        (
            PLAIN,
            "scale: 0.5",
            "scale: {type: choice, values: [0.5, -1]}",
            "11:54: growth.how.random.scale.values.1",
            "-1",
        ),
        (
            PLAIN,
            "epochs: 2",
            "epochs: {type: choice, options: {a: {}}}",
            "4:26: training.epochs.options: options stand",
            "values",
        ),
    ],
)
def test_a_range_is_checked_at_its_ends(write: Write, text: str, old: str, new: str, place: str, words: str) -> None:
    assert old in text
    path = write(text.replace(old, new))

    with pytest.raises(ConfigError) as caught:
        load_space(path)

    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"{path}:{place}") and words in line for line in lines), lines


def test_a_range_in_a_policy_replaces_the_files_range(write: Write) -> None:
    text = OPEN + "policies: {a: {training: {optimizer: {lr: {type: float, low: 0, high: 1}}}}, b: {}}\n"
    path = write(text)

    with pytest.raises(ConfigError) as caught:
        load_space(path)

    [line] = str(caught.value).splitlines()
    assert line.startswith(
        f"{path}:16:57: policies.a.training.optimizer.lr.low: out of range (found 0.0; allowed more than 0)"
    )

"""Files whose sizes gradient descent chooses: beside nothing else that chooses sizes, alone or as a policy."""

from __future__ import annotations

import pytest

from growsearch import ConfigError
from growsearch.config import load_space
from tests.config.conftest import PLAIN, Write
from tests.config.test_problems import problems_of

HEAD = PLAIN[: PLAIN.index("growth:")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("size_gate", {"size_gate": {"target": 4.0, "start": 1.0, "lr": 0.05, "strength": 0.02}}),
        ("{size_gate: {target: 2}}", {"size_gate": {"target": 2.0, "start": 1.0, "lr": 0.05, "strength": 0.02}}),
    ],
)
def test_a_name_stands_for_the_strategy_with_its_defaults(write: Write, text: str, found: object) -> None:
    config = load_space(write(HEAD + f"growth: {{soft: {text}}}\n")).plain()

    assert config.growth.soft == found
    assert not config.growth.grows


@pytest.mark.parametrize("other", ["when: {interval: {every: 5}}, how: zero", "where: random", "how: split"])
def test_growth_in_events_beside_it_is_refused(write: Write, other: str) -> None:
    lines = problems_of(write(HEAD + f"growth: {{soft: size_gate, {other}}}\n"))

    assert all("growth.soft lets gradient descent choose the sizes" in line for line in lines) and lines


@pytest.mark.parametrize("key", ["budget: {width: 2.0}", "amount: 0.5", "round_to: 8"])
def test_a_budget_beside_it_is_refused(write: Write, key: str) -> None:
    [line] = problems_of(write(HEAD + f"growth: {{soft: size_gate, {key}}}\n"))

    assert f"growth.{key.split(':')[0]}: growth.soft lets" in line


def test_never_and_the_defaults_beside_it_mean_nothing(write: Write) -> None:
    load_space(write(HEAD + "growth: {soft: size_gate, when: never, where: uniform, how: zero}\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size_gat", "did you mean 'size_gate'?"),
        ("{size_gate: {targt: 2}}", "unknown key 'targt'"),
        ("{size_gate: {target: 0}}", "allowed more than 0"),
        ("{controller_mask: {start: 0.9, target: 0.5}}", "start 0.9 is above target 0.5"),
        ("{size_gate: {}, controller_mask: {}}", "name exactly one"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, words: str) -> None:
    [line] = problems_of(write(HEAD + f"growth: {{soft: {text}}}\n"))

    assert words in line


def test_a_policy_with_soft_sizes_takes_growth_in_events_away_and_the_other_way_round(write: Write) -> None:
    events = HEAD + "growth: {when: {interval: {every: 5}}, how: zero, budget: {width: 2.0}, sites: ['*']}\n"
    config = load_space(write(events + "policies: {soft: {growth: {soft: size_gate}}, events: {}}\n")).plain()
    policies = config.policy_configs()
    assert policies["soft"].growth.soft and not policies["soft"].growth.grows
    assert policies["soft"].growth.budget is None and policies["soft"].growth.sites == ("*",)
    assert policies["events"].growth.grows and policies["events"].growth.soft is None

    soft = HEAD + "growth: {soft: size_gate}\npolicies: {small: {growth: {when: never}}, soft: {}}\n"
    policies = load_space(write(soft)).plain().policy_configs()
    assert policies["small"].growth.soft is None and policies["soft"].growth.soft


def test_a_range_may_stand_for_the_strategy(write: Write) -> None:
    text = "{type: choice, options: {size_gate: {target: {type: float, low: 1, high: 8}}, controller_mask: {}}}"
    space = load_space(write(HEAD + f"growth: {{soft: {text}}}\n"))

    assert space.first().growth.soft == {"size_gate": {"target": 1.0, "start": 1.0, "lr": 0.05, "strength": 0.02}}
    with pytest.raises(ConfigError, match="growth.soft is a range"):
        space.plain()

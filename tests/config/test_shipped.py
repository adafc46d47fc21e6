"""The shipped search spaces load, and say what they are."""

from __future__ import annotations

import pytest

from growsearch.config import find_file, load_config, shipped_names

EXPECTED = [
    "cifar100_wrn28",
    "cifar10_vgg11",
    "cifar10_wrn28",
    "imagenet_mobilenet_v1",
    "quickstart",
    "student_teacher",
]


def test_all_are_shipped() -> None:
    assert shipped_names() == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_it_loads_by_name_with_a_baseline_of_both_sizes(name: str) -> None:
    policies = load_config(name).policy_configs()

    assert {"small", "big", "random", "gradmax"} <= set(policies)
    assert not policies["small"].growth.grows
    assert not policies["big"].growth.grows
    assert policies["gradmax"].growth.grows


@pytest.mark.parametrize("name", EXPECTED)
def test_the_big_network_has_the_size_that_the_budget_allows(name: str) -> None:
    policies = load_config(name).policy_configs()
    small, big, grown = (policies[policy] for policy in ("small", "big", "gradmax"))

    if "hidden" in small.network:
        assert big.network["hidden"] == [grown.growth.budget["width"] * width for width in small.network["hidden"]]
    else:
        assert big.network["width"] == grown.growth.budget["width"]


@pytest.mark.parametrize("name", EXPECTED)
def test_it_begins_with_a_comment_that_shows_its_command(name: str) -> None:
    head = find_file(name).read_text().split("\n\n")[0]

    assert all(line.startswith("#") for line in head.splitlines())
    assert f"growsearch compare {name}" in head


@pytest.mark.parametrize("name", ["cifar10_vgg11", "cifar10_wrn28", "cifar100_wrn28"])
def test_the_paper_protocol_grows_in_twelve_events_from_a_quarter_to_the_whole(name: str) -> None:
    config = load_config(name).policy_configs()["gradmax"]

    steps = config.growth.when["schedule"]["steps"]
    assert steps == list(range(10_000, 37_501, 2_500))
    assert config.grown_width() == 1 + len(steps) * config.growth.amount

"""The shipped search spaces load, and say what they are."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from growsearch.config import find_file, load_config, load_space
from growsearch.networks import build_network
from growsearch.registry import names
from growsearch.shipped import shipped_names

COMPARISONS = [
    "all_policies",
    "cifar100_wrn28",
    "cifar10_vgg11",
    "cifar10_wrn28",
    "imagenet_mobilenet_v1",
    "quickstart",
    "student_teacher",
]


WITHOUT_GRADMAX = ["text_gpt", "vit_cifar10"]  # it has no way through attention
BY_DEPTH = ["language_model"]
SEARCHES = ["cifar100_policies", "cifar10_policies", "digits_policies", "own_model_example"]
SEARCHES_OF_DEPTH = ["language_policies"]
ON_CIFAR = {"cifar10_policies": (10, 0.5), "cifar100_policies": (100, 1.0)}  # classes, width of the largest network


def images(folder: Path) -> str:
    """A few images in folders, as the override that a file's comment shows."""
    for split in ("train", "test"):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            for index in range(4):
                Image.new("RGB", (32, 32), (60 * index, 0, 0)).save(folder / split / label / f"{index}.png")
    return f"data={{name: image_folder, root: {folder}, validation: 2}}"


def shown_searches(name: str) -> list[list[str]]:
    """The searches that a file's comment shows, as words."""
    head = find_file(name).read_text().split("\n\n")[0].replace("\\\n#", "").replace("# ", "")
    return [shlex.split(line)[2:] for line in head.splitlines() if line.strip().startswith("growsearch search ")]


def test_all_are_shipped() -> None:
    assert sorted([*COMPARISONS, *WITHOUT_GRADMAX, *BY_DEPTH, *SEARCHES, *SEARCHES_OF_DEPTH]) == shipped_names()


def test_a_space_of_depths_has_the_fixed_baselines_of_both_sizes() -> None:
    """Random units are no control of blocks."""
    from growsearch.search.baselines import baselines

    space = load_space("language_policies")
    found = baselines(space.data)

    assert {name: plain["network"]["depth"] for name, plain in found.items()} == {"small": 1, "big": 4}
    assert all(plain["growth"]["when"] == {"never": {}} for plain in found.values())
    assert "growsearch search language_policies" in space.path.read_text()


@pytest.mark.parametrize("name", SEARCHES)
def test_a_space_to_search_has_ranges_and_all_baselines(name: str, tmp_path: Path) -> None:
    from growsearch.search.baselines import baselines

    space = load_space(name, [images(tmp_path)] if name in ON_CIFAR else [])

    assert len(space.ranges) >= 5
    assert list(baselines(space.data)) == ["small", "big", "random"]
    assert f"growsearch search {name}" in space.path.read_text()


@pytest.mark.parametrize("name", SEARCHES)
def test_the_searches_that_a_comment_shows_are_possible(name: str) -> None:
    for shown, *options in shown_searches(name):
        sets = [value for option, value in pairwise(options) if option == "--set"]
        assert shown == name
        assert load_space(name, sets).ranges


@pytest.mark.parametrize("name", ON_CIFAR)
def test_a_large_search_stays_within_the_network_that_its_comment_names(name: str) -> None:
    space = load_space(name)
    (classes, width), config = ON_CIFAR[name], space.first()
    network = build_network({**config.network, "width": width}, (3, 32, 32), classes)

    most = sum(parameter.numel() for parameter in network.parameters())
    assert config.growth.budget == {"parameters": most}
    assert config.search is not None and config.search.limits["parameters"].max == most
    assert f"within {most:,} parameters" in space.path.read_text()


@pytest.mark.parametrize("name", ON_CIFAR)
def test_a_large_search_has_every_strategy_of_the_small_one_and_more(name: str) -> None:
    small, large = load_space("digits_policies").data["growth"], load_space(name).data["growth"]

    for part in ("when", "where", "how"):
        assert set(small[part]["options"]) < set(large[part]["options"])
    assert {"firefly", "gauss_newton", "gradmax_opt"} <= set(large["how"]["options"])


@pytest.mark.parametrize("name", COMPARISONS)
def test_it_loads_by_name_with_a_baseline_of_both_sizes(name: str) -> None:
    policies = load_config(name).policy_configs()

    assert {"small", "big", "random", "gradmax"} <= set(policies)
    assert not policies["small"].growth.grows
    assert not policies["big"].growth.grows
    assert policies["gradmax"].growth.grows


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_big_network_has_the_size_that_the_budget_allows(name: str) -> None:
    policies = load_config(name).policy_configs()
    small, big, grown = (policies[policy] for policy in ("small", "big", "gradmax"))

    budget = grown.growth.budget
    if "parameters" in budget:
        shape = (1, 8, 8)
        [found, seed] = [build_network(each.network, shape, 10) for each in (big, small)]
        assert sum(p.numel() for p in found.parameters()) == budget["parameters"]
        assert sum(p.numel() for p in seed.parameters()) < budget["parameters"]
    elif "hidden" in small.network:
        assert big.network["hidden"] == [grown.growth.budget["width"] * width for width in small.network["hidden"]]
    else:
        assert big.network["width"] == grown.growth.budget["width"]


@pytest.mark.parametrize("name", WITHOUT_GRADMAX)
def test_a_comparison_of_other_policies_has_baselines_of_both_sizes_too(name: str) -> None:
    policies = load_config(name).policy_configs()
    assert {"small", "big", "random"} < set(policies)
    assert [policies[one].growth.grows for one in ("small", "big", "random")] == [False, False, True]
    assert policies["big"].network["width"] == (policies["random"].growth.budget or {})["width"]


@pytest.mark.parametrize("name", [*COMPARISONS, *WITHOUT_GRADMAX, *BY_DEPTH])
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


def test_every_strategy_is_in_a_shipped_comparison() -> None:
    used: dict[str, set[str]] = {group: set() for group in ("when", "where", "how", "soft")}
    for file in [*COMPARISONS, *WITHOUT_GRADMAX, *BY_DEPTH]:
        for config in load_config(file).policy_configs().values():
            growth = config.growth.model_dump()
            for group, names_used in used.items():
                names_used |= set(growth[group] or {})

    assert {group: sorted(found) for group, found in used.items()} == {group: names(group) for group in used}

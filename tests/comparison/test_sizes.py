"""What to take by the size of the final network, and whether growing was worth it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from growsearch.comparison.conclusions import Conclusions, conclude
from growsearch.comparison.control_differences import ControlRuns, Found
from growsearch.comparison.results import PER_SEED
from growsearch.comparison.sizes import SizeChoice, size_classes
from growsearch.comparison.table import policy_rows

WOBBLE = (0.004, -0.004, 0.002, -0.002, 0.003, -0.003, 0.001, -0.001)


class Ran(NamedTuple):
    """A policy: its mean accuracy, how uneven it is over the seeds, its first and last size, and its FLOPs."""

    mean: float
    wobble: float
    first: int
    last: int
    flops: float = 1.0


SMALL, BIG = Ran(0.6, 0, 10, 10), Ran(0.8, 0, 100, 100, 8.0)
LONG = Ran(0.65, 0, 10, 10, 4.0)  # the seed's network with a growing run's FLOPs


def policies_of(**ran: Ran) -> dict[str, Any]:
    """As `results.json` has them, eight seeds."""
    policies: dict[str, Any] = {}
    for name, one in ran.items():
        rows: dict[str, list[Any]] = {key: [1.0] * 8 for key in PER_SEED}
        rows |= {
            "test_accuracy": [one.mean + one.wobble * noise for noise in WOBBLE],
            "seed_parameters": [one.first] * 8,
            "parameters": [one.last] * 8,
            "active_parameters": [one.last] * 8,
            "training_flops": [one.flops] * 8,
            "growth_events": [int(one.first != one.last)] * 8,
        }
        policies[name] = {"seeds": list(range(8)), **rows}
    return policies


def concluded(**ran: Ran) -> Conclusions:
    """Every fixed network of a policy's final size is its control."""
    fixed = {one.last: name for name, one in ran.items() if one.first == one.last}
    long = "long" if "long" in ran else None
    found: Found = {
        name: {"big": fixed.get(one.last), "small_equal_compute": long}
        for name, one in ran.items()
        if one.first != one.last
    }
    return conclude(policies_of(**ran), controls=ControlRuns(found=found))


def choices(**ran: Ran) -> tuple[SizeChoice, ...]:
    return concluded(**ran).advice.sizes


def answer(**ran: Ran) -> list[str]:
    return [one.text() for one in concluded(**ran).benefits]


@pytest.mark.parametrize(
    ("sizes", "classes"),
    [
        ([10, 12, 13], [[10, 12], [13]]),
        ([10, 14, 19, 26, 36], [[10, 14], [19, 26], [36]]),
        ([10, 100, 1000, 10_000], [[10], [100], [1000], [10_000]]),
        ([5], [[5]]),
    ],
)
def test_sizes_are_a_handful_of_classes(sizes: list[int], classes: list[list[int]]) -> None:
    policies = policies_of(**{f"p{size}": Ran(0.5, 0, size, size) for size in sizes})

    assert [[int(row.active) for row in group] for group in size_classes(policy_rows(policies, "p10", []))] == classes


def test_the_fixed_network_is_taken_unless_growth_is_above_it_beyond_doubt() -> None:
    unsure, sure = Ran(0.801, 1.0, 10, 100, 4.0), Ran(0.85, 1.0, 10, 100, 4.0)

    _, even = choices(small=SMALL, big=BIG, grown=unsure)
    _, better = choices(small=SMALL, big=BIG, grown=sure)
    _, worse = choices(small=SMALL, big=BIG, grown=unsure._replace(mean=0.75))

    assert even.policy == "big"
    assert "; grown has a better mean, 80.10 %: +0.10 points (95 % interval" in even.words
    assert ", perhaps none), with 0.5 times its training FLOPs and 1 times its seconds." in even.words
    assert better.policy == "grown"
    assert "; compared with big, a fixed network: +5.00 points (95 % interval" in better.words
    assert "perhaps" not in better.words
    assert worse.policy == "big"
    assert "; the best that grows is grown, 75.00 %: −5.00 points (95 % interval" in worse.words


def test_a_larger_network_is_only_taken_for_a_better_mean() -> None:
    small, big = choices(small=SMALL, big=BIG)
    _, useless = choices(small=SMALL, big=BIG._replace(mean=0.6))

    assert small.text() == (
        "10 parameters: small, a fixed network (60.00 % after 1 training FLOPs), the only policy of this size."
    )
    assert "Compared with small: +20.00 points (95 % interval +20.00 to +20.00), with 8 times its" in big.words
    assert useless.policy is None
    assert useless.words.startswith(
        "its fixed network has no better mean than small, 60.00 %: big, a fixed network (60.00 %"
    )


def test_what_grows_to_a_size_is_told_where_its_fixed_network_is_no_better_than_a_smaller_one() -> None:
    _, none = choices(small=SMALL, big=BIG._replace(mean=0.6), grown=Ran(0.602, 1.0, 10, 100, 4.0))

    assert none.policy is None
    assert "no better mean than small, 60.00 %: big, a fixed network (60.00 %" in none.words
    assert "; grown has a better mean, 60.20 %: +0.20 points" in none.words


def test_it_says_where_a_size_has_no_fixed_network() -> None:
    _, big = choices(small=SMALL, grown=Ran(0.7, 0, 10, 100))

    assert big.policy == "grown"
    assert "No fixed network of this size is in the comparison." in big.words


def test_whether_growing_was_worth_it() -> None:
    grown = Ran(0.85, 1.0, 10, 100, 4.0)

    [ahead] = answer(big=BIG, long=LONG, grown=grown, other=grown._replace(mean=0.7))
    [even] = answer(big=BIG, long=LONG, grown=grown._replace(mean=0.801))
    [behind] = answer(big=BIG, long=LONG, grown=grown._replace(mean=0.79))
    [between] = answer(big=BIG, long=LONG._replace(mean=0.95), grown=grown)
    [pruned] = answer(big=BIG, pruned=grown._replace(mean=0.79, first=200))

    assert ahead == (
        "Was growing worth it? It looks so: grown is ahead of big (a fixed network of its final size) and long (a "
        "fixed network of the seed's size, with as many training FLOPs) by more than chance explains, though the first "
        "of 2 looks a little better than it is."
    )
    assert even.startswith("Was growing worth it? Not shown: grown is ahead of big")
    assert behind == (
        "Was growing worth it? Not here: no policy that grows has a better mean than both a fixed network of its final "
        "size and one of the seed's size with as many training FLOPs (grown is not ahead of big)."
    )
    assert between.endswith("(grown is not ahead of long).")
    assert pruned.startswith("Was pruning worth it? Not here: no policy that prunes has")
    assert answer(small=SMALL, grown=grown) == []


def test_without_the_seeds_network_at_equal_flops_nothing_is_said_on_growing() -> None:
    grown = Ran(0.85, 1.0, 10, 100, 4.0)

    [unknown] = answer(small=SMALL, big=BIG, grown=grown)
    [small_is_better] = answer(big=BIG, long=LONG._replace(mean=0.9), grown=grown)

    assert unknown.startswith("Was growing worth it? Not known: the control that decides is not in this comparison")
    assert unknown.endswith("controls: [small_equal_compute].")
    assert small_is_better.startswith("Was growing worth it? Not here: ")
    assert answer(long=LONG._replace(mean=0.9), grown=grown) == [
        "Was growing worth it? Not here: no policy that grows has a better mean than the network of the seed's size "
        "with as many training FLOPs."
    ]
    assert answer(long=LONG, grown=grown) == []  # ahead, and nothing is known of the final size


def test_growing_that_is_cheaper_and_not_surely_behind_is_not_written_off() -> None:
    grown = Ran(0.799, 1.0, 10, 100, 4.0)

    [cheap] = answer(big=BIG, long=LONG, grown=grown)
    [dear] = answer(big=BIG, long=LONG, grown=grown._replace(flops=8.0))

    assert cheap.startswith("Was growing worth it? Not shown: no policy that grows has a better mean than")
    assert cheap.endswith(
        ", but grown is not surely worse than big, with 0.5 times its training FLOPs and 1 times its seconds."
    )
    assert dear.startswith("Was growing worth it? Not here: ")


def test_growing_and_pruning_are_answered_apart() -> None:
    both = answer(big=BIG, long=LONG, grown=Ran(0.7, 0, 10, 100), pruned=Ran(0.9, 0, 200, 100))

    assert [one.split(":")[0] for one in both] == [
        "Was growing worth it? Not here",
        "Was pruning worth it? It looks so",
    ]

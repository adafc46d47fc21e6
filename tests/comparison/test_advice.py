from __future__ import annotations

from typing import Any

from growsearch.comparison.advice import Advice
from growsearch.comparison.conclusions import conclude
from growsearch.comparison.results import PER_SEED

NOISE = (0.0, 0.004, -0.003, 0.002, 0.005, -0.001, 0.003, -0.002)


def advice(means: dict[str, float], fixed: tuple[str, ...] = (), seeds: int = 8, uneven: str = "") -> Advice:
    """Of policies with these means; one that is uneven is far off on three seeds."""
    policies: dict[str, Any] = {}
    for name, mean in means.items():
        values = [mean + noise for noise in NOISE[:seeds]]
        if name == uneven:
            values[:3] = [value - 0.4 for value in values[:3]]
        ones: dict[str, list[Any]] = {key: [1.0] * seeds for key in PER_SEED}
        events = [0 if name in fixed else 3] * seeds
        policies[name] = {"seeds": list(range(seeds)), **ones, "test_accuracy": values, "growth_events": events}
    return conclude(policies).advice


def test_the_best_of_those_called_better_is_advised() -> None:
    found = advice({"random": 0.7, "good": 0.8, "best": 0.9, "bad": 0.5})

    assert (found.headline, found.policy) == ("Use best.", "best")
    assert "Also better than random: good (80.10 %)." in found.reasons[1]


def test_a_policy_that_only_seems_better_is_not_advised() -> None:
    found = advice({"random": 0.7, "good": 0.8, "lucky": 0.99}, uneven="lucky")

    assert found.headline == "Use good."
    assert any(
        reason.startswith("lucky (84.10 %) has a better mean, but is not told apart") for reason in found.reasons
    )


def test_a_network_that_does_not_grow_is_never_hidden() -> None:
    found = advice({"random": 0.7, "good": 0.8, "big": 0.9}, fixed=("big",))

    assert found.headline == "Of the policies that grow, use good."
    assert [(one.policy, one.words.split(";")[0]) for one in found.sizes] == [
        ("big", ", a fixed network (90.10 % after 1 training FLOPs)")
    ]


def test_what_is_called_worse_is_said_where_nothing_is_better() -> None:
    found = advice({"random": 0.7, "same": 0.7, "bad": 0.5})

    assert found.headline == "No policy stands out."
    assert found.reasons[1] == "Significantly worse than random: bad (50.10 %)."


def test_where_nothing_is_called_it_says_what_these_seeds_could_have_told() -> None:
    found = advice({"random": 0.7, "same": 0.7, "lucky": 0.75}, uneven="lucky")

    # Three of the eight differences of lucky are 0.4 lower: their mean has a standard error of 7.3 points.
    assert found.headline == "No policy stands out."
    assert (
        "so many seeds miss true differences of up to 27.35 points more than one time out of five." in found.reasons[0]
    )


def test_where_nothing_is_called_nothing_is_advised() -> None:
    same = advice({"random": 0.7, "other": 0.7})
    few = advice({"random": 0.7, "other": 0.9}, seeds=3)
    big = advice({"random": 0.7, "big": 0.9}, fixed=("big",))

    assert same.headline == "No policy stands out."
    assert few.headline == "Too few seeds to say which policy to use."
    assert big.headline == "No way of growing stands out."
    assert same.policy is few.policy is big.policy is None

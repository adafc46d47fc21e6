"""Simulated comparisons in which the truth is known: what differs is called, what does not is not.

Two runs of the same seed share what the seed does; the differences between them are normal. With six seeds and two
policies a difference is called exactly where all six differences have the same sign, so that a true difference of `d`
standard deviations (of the paired differences) is called with probability Phi(d)**6 + Phi(-d)**6: 0.99 for d = 3, and
0.031 for d = 0.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from growsearch.comparison import pairs
from growsearch.comparison.conclusions import reference_of
from growsearch.comparison.metric import ACCURACY

COMPARISONS = 200


@pytest.fixture(autouse=True)
def _without_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """They decide nothing, and take most of the time."""
    monkeypatch.setattr(pairs, "difference_interval", lambda differences: None)


def simulated(rng: np.random.Generator, seeds: int, gains: dict[str, float]) -> dict[str, list[str]]:
    """Better and worse policies, where runs are better by these gains, in standard deviations of a difference."""
    shared = rng.normal(0.8, 0.05, seeds)
    noise = 0.01
    policies = {}
    for name, gain in gains.items():
        accuracies = shared + noise * (rng.normal(size=seeds) + gain * 2**0.5)
        policies[name] = {"seeds": list(range(seeds)), "test_accuracy": list(accuracies)}
    found = pairs.all_pairs(ACCURACY, policies, reference_of(policies))
    return {
        direction: [pair.policy for pair in found if pair.direction == direction] for direction in ("better", "worse")
    }


def test_a_planted_difference_is_called() -> None:
    rng = np.random.default_rng(0)

    verdicts = [simulated(rng, 6, {"one": 0.0, "other": 3.0}) for _ in range(COMPARISONS)]

    called = np.mean([verdict["better"] == ["other"] for verdict in verdicts])
    assert called >= 0.95
    assert called == pytest.approx(norm.cdf(3.0) ** 6, abs=0.02)


def test_a_planted_harm_is_called_worse() -> None:
    rng = np.random.default_rng(1)

    verdicts = [simulated(rng, 6, {"one": 0.0, "other": -3.0}) for _ in range(20)]

    assert [verdict["worse"] for verdict in verdicts].count(["other"]) >= 19
    assert not any(verdict["better"] for verdict in verdicts)


@pytest.mark.parametrize("seeds", [6, 7])
def test_policies_that_do_not_differ_are_seldom_called(seeds: int) -> None:
    rng = np.random.default_rng(seeds)

    verdicts = [simulated(rng, seeds, {"one": 0.0, "other": 0.0}) for _ in range(5 * COMPARISONS)]

    assert np.mean([bool(verdict["better"] or verdict["worse"]) for verdict in verdicts]) <= 0.05


def test_several_policies_that_do_not_differ_are_seldom_called_either() -> None:
    rng = np.random.default_rng(2)

    verdicts = [simulated(rng, 7, {"random": 0.0, "a": 0.0, "b": 0.0}) for _ in range(3 * COMPARISONS)]

    # Without the correction 3 / 64 of each of the two comparisons would be called: about 8 % have one.
    assert np.mean([bool(verdict["better"] or verdict["worse"]) for verdict in verdicts]) <= 0.05


def test_the_one_policy_that_differs_is_called_among_others() -> None:
    rng = np.random.default_rng(3)

    verdicts = [simulated(rng, 8, {"random": 0.0, "same": 0.0, "other": 3.0}) for _ in range(COMPARISONS)]

    assert np.mean(["other" in verdict["better"] for verdict in verdicts]) >= 0.95
    assert np.mean(["same" in verdict["better"] + verdict["worse"] for verdict in verdicts]) <= 0.05

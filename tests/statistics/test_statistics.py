"""Against enumerations, published results, and other functions of scipy that must agree."""

from __future__ import annotations

import itertools
from math import sqrt
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from growsearch.statistics import (
    LEVEL,
    detectable_difference,
    difference_interval,
    holm,
    interquartile_mean,
    permutation_p_value,
    probability_of_improvement,
    seeds_needed,
    smallest_p_value,
    standard_deviation,
)

# Darwin's maize: crossed minus self-fertilised height of 15 pairs, in eighths of an inch (Fisher 1935, The Design of
# Experiments, section 21): 863 of the 32,768 assignments of signs have a sum of at least the observed 314.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def enumerated(differences: list[float]) -> float:
    """Share of all flips of signs with a mean at least as far from zero."""
    flips = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) for signs in flips]
    return sum(total >= abs(sum(differences)) - 1e-12 for total in sums) / len(sums)


@pytest.mark.parametrize(
    "differences", [[1.0], [0.5, 0.5], [1.0, -2.0, 3.0, 0.0], [0.1] * 6, [-3.0, 1.0, -2.0, -8.0, -5.0]]
)
def test_the_permutation_test_is_exact_for_few_pairs(differences: list[float]) -> None:
    assert permutation_p_value(differences) == pytest.approx(enumerated(differences))


@pytest.mark.parametrize("samples", [360, 400, 1_000, 10_000])
@pytest.mark.parametrize("count", [6, 8, 10])
def test_flips_that_tie_are_counted_whatever_rounding_makes_of_accuracies(samples: int, count: int) -> None:
    """Of whole numbers of right answers the ties are exact."""
    random = np.random.default_rng(samples + count)
    flips = np.array(list(itertools.product((1, -1), repeat=count)))
    for _ in range(20):
        right = random.integers(int(0.9 * samples), int(0.98 * samples), count)
        more = random.integers(-3, 9, count)
        exact = float((abs(flips @ more) >= abs(more.sum())).mean())
        found = permutation_p_value([(r + m) / samples - r / samples for r, m in zip(right, more, strict=True)])
        assert found == pytest.approx(exact), (list(right), list(more))


@pytest.mark.parametrize("count", [6, 10, 13])
def test_on_ranks_the_permutation_test_is_wilcoxons(count: int) -> None:
    signs = np.random.default_rng(count).choice([-1, 1], count)
    differences = list(signs * np.arange(1.0, count + 1))

    assert permutation_p_value(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_the_permutation_test_finds_fishers_result_for_darwins_maize() -> None:
    # Fifteen pairs are too many for all flips: the 9,999 random ones have a standard error of 0.0022.
    assert permutation_p_value(DARWIN) == pytest.approx(2 * 863 / 32_768, abs=0.0066)
    assert permutation_p_value(DARWIN) == permutation_p_value(DARWIN)


def test_no_difference_on_any_seed_has_p_1() -> None:
    assert permutation_p_value([0.0] * 8) == 1.0


def test_holm_on_a_worked_example() -> None:
    # In order: 4 * 0.005, 3 * 0.01, 2 * 0.03, and for 0.04 no less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_the_interval_is_students_for_many_pairs() -> None:
    sample = np.random.default_rng(0).normal(0.3, 1.0, 400)

    low, high = difference_interval(list(sample)) or (0.0, 0.0)

    exact = stats.t.interval(0.95, 399, sample.mean(), stats.sem(sample))
    assert (low, high) == pytest.approx(exact, abs=0.05 * (exact[1] - exact[0]))


def test_the_interval_of_six_pairs_holds_the_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(1).normal(0.0, 1.0, (300, 6))

    held = [low <= 0 <= high for sample in samples for low, high in [difference_interval(list(sample)) or (1, -1)]]

    assert 0.92 <= np.mean(held) <= 0.98  # the plain percentile bootstrap holds it in 86 % of all cases


def test_the_interval_needs_six_pairs_and_is_always_the_same() -> None:
    differences = [0.1, 0.3, 0.2, 0.0, 0.5, 0.4]

    assert difference_interval(differences[:5]) is None
    assert difference_interval(differences) == difference_interval(differences)
    assert difference_interval([0.5] * 6) == pytest.approx((0.5, 0.5))


def test_the_seeds_needed_are_the_first_with_which_the_test_can_call_a_difference() -> None:
    for comparisons in (1, 2, 3, 4, 9, 45):
        needed = seeds_needed(comparisons)
        assert smallest_p_value(needed, comparisons) <= 0.05 < smallest_p_value(needed - 1, comparisons)
    assert (seeds_needed(1), seeds_needed(4)) == (6, 8)


@pytest.mark.parametrize(("seeds", "comparisons"), [(1, 1), (3, 1), (6, 1), (6, 3)])
def test_no_differences_reach_less_than_the_smallest_p_value(seeds: int, comparisons: int) -> None:
    equal = [permutation_p_value([1.0] * seeds)] * comparisons

    assert min(holm(equal)) == pytest.approx(smallest_p_value(seeds, comparisons))


def test_a_tie_is_half_an_improvement() -> None:
    assert probability_of_improvement([0.1, 0.2, -0.1, 0.0]) == 2.5 / 4


def test_the_interquartile_mean_leaves_out_the_outer_quarters() -> None:
    assert interquartile_mean([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # a quarter of three values is less than one


def test_one_seed_has_no_spread() -> None:
    assert standard_deviation([0.4]) == 0.0
    assert standard_deviation([1.0, 3.0]) == pytest.approx(2**0.5)


@pytest.mark.parametrize(("seeds", "comparisons"), [(8, 1), (10, 4), (20, 10)])
def test_the_detectable_difference_is_called_four_times_out_of_five(seeds: int, comparisons: int) -> None:
    """By the permutation test itself, with normal differences of a known standard_deviation."""
    shift = detectable_difference(1.0 / sqrt(seeds), seeds, comparisons)
    draws = np.random.default_rng(0).normal(shift, 1.0, (200, seeds))

    # The standard error is that of a usual draw here; the one seen differs from draw to draw.
    called = fmean(comparisons * permutation_p_value(list(draw)) <= LEVEL for draw in draws)

    assert called == pytest.approx(0.8, abs=0.1)

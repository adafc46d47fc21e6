"""Calibration of planted predictions, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from growsearch.audit import calibrate


def test_numbers_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    predicted = -generator.random(20)
    measured = 0.6 * predicted + 0.05 * generator.standard_normal(20)

    found = calibrate("change", "own", predicted.tolist(), measured.tolist())

    fit = stats.linregress(predicted, measured)
    reach = stats.t.ppf(0.975, 18) * fit.stderr
    assert found.slope == pytest.approx(fit.slope)
    assert found.interval == pytest.approx((fit.slope - reach, fit.slope + reach))
    assert found.interval is not None
    assert found.interval[0] < 0.6 < found.interval[1]
    assert found.correlation == pytest.approx(np.corrcoef(predicted, measured)[0, 1])
    assert found.rank_correlation == pytest.approx(stats.spearmanr(predicted, measured).statistic)
    assert found.sign_agreement == pytest.approx(np.mean(predicted * measured > 0))
    assert found.median_ratio == pytest.approx(np.median(measured / predicted))


def test_the_interval_of_the_slope_holds_the_true_one_in_95_of_100_cases() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        predicted = generator.standard_normal(8)
        found = calibrate("", "", predicted.tolist(), (0.5 * predicted + generator.standard_normal(8)).tolist())
        hits += found.interval is not None and found.interval[0] < 0.5 < found.interval[1]

    assert 0.92 < hits / 400 < 0.98  # three standard errors of 0.011 around 0.95


def test_perfect_predictions() -> None:
    found = calibrate("change", "own", [-0.1, -0.2, -0.4], [-0.1, -0.2, -0.4])

    assert found.slope == pytest.approx(1)
    assert (found.correlation, found.sign_agreement, found.median_ratio) == (pytest.approx(1), 1, 1)


def test_wrong_signs_are_seen() -> None:
    assert calibrate("", "", [-0.1, -0.2, 0.3, 0.0], [0.1, -0.2, 0.1, 5.0]).sign_agreement == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("predicted", "measured"), [([], []), ([-0.1], [-0.2]), ([-0.1, -0.2], [0.1, 0.3]), ([-0.1] * 4, [0.1, 0.2, 0, 1])]
)
def test_too_few_or_equal_predictions_have_no_line(predicted: list[float], measured: list[float]) -> None:
    found = calibrate("change", "own", predicted, measured)

    assert (found.slope, found.interval, found.correlation, found.rank_correlation) == (None, None, None, None)
    assert found.events == len(predicted)

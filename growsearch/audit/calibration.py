"""How well predictions of a change of the loss agree with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from growsearch.statistics import LEVEL

FEWEST = 3  # events, for a line with an error


@dataclass(frozen=True)
class Calibration:
    """Over `events` events: `prediction` is what was predicted, `data` on which batches it was measured.

    `correlation` is Pearson's and `rank_correlation` Spearman's, `sign_agreement` the share of events whose sign was
    right, `slope` that of the least-squares line of the measured on the predicted changes (1 where predictions are
    right on average; its `interval` has 95 % confidence, by Student's distribution), `median_ratio` the median of
    measured over predicted. What so few or such equal numbers do not tell is None.
    """

    prediction: str
    data: str
    events: int
    correlation: float | None
    rank_correlation: float | None
    sign_agreement: float | None
    slope: float | None
    interval: tuple[float, float] | None
    median_ratio: float | None


def calibrate(prediction: str, data: str, predicted: Sequence[float], measured: Sequence[float]) -> Calibration:
    """The calibration of predictions, given with what was measured in the same order.

    Args:
        prediction: what was predicted, in words.
        data: on which it was measured, in words.
        predicted: changes of the loss.
        measured: changes of the loss, in the same order.
    """
    from scipy import stats  # slow to import

    count = len(predicted)
    varied = count >= FEWEST and len(set(predicted)) > 1 and len(set(measured)) > 1
    ratios = [found / said for said, found in zip(predicted, measured, strict=True) if said != 0]
    signs = [found * said > 0 for said, found in zip(predicted, measured, strict=True) if said != 0]
    slope, interval = _line(predicted, measured) if varied else (None, None)
    return Calibration(
        prediction=prediction,
        data=data,
        events=count,
        correlation=_finite(stats.pearsonr(predicted, measured).statistic) if varied else None,
        rank_correlation=_finite(stats.spearmanr(predicted, measured).statistic) if varied else None,
        sign_agreement=sum(signs) / len(signs) if signs else None,
        slope=slope,
        interval=interval,
        median_ratio=median(ratios) if ratios else None,
    )


def _line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float | None, tuple[float, float] | None]:
    from scipy import stats

    line = stats.linregress(xs, ys)
    slope, reach = float(line.slope), float(stats.t.isf(LEVEL / 2, len(xs) - 2) * line.stderr)
    if not isfinite(slope) or not isfinite(reach):
        return _finite(slope), None
    return slope, (slope - reach, slope + reach)


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None

"""Priors on ranges: where the user expects good values, and how often a trial is drawn from there.

A range with a `default` has a normal distribution around it, cut off at its ends (on a logarithmic scale where the
range has `log`), a choice its default with a greater weight. The very first trial is at the defaults themselves, and of
the others a tenth is drawn so; then the more or the fewer, the more or the fewer of them are among the best third than
chance alone would put there. A prior that is wrong is thus soon left alone. The sampler learns from such trials as from
others. The idea of mixing priors by evidence is that of PriorBand (Mallik et al., 2023), whose weights are other ones.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial
from scipy.stats import truncnorm

from growsearch.search.space import defaults, distributions, place_in, value_at
from growsearch.search.study import PRIOR

WIDTHS = {"low": 0.5, "medium": 0.25, "high": 0.125}  # standard deviation, as a share of the range
WEIGHTS = {"low": 0.5, "medium": 0.7, "high": 0.9}  # of a choice's default
FIRST, MOST = 0.1, 3 / 4  # shares of trials from the prior: before there is evidence, and at most
_BEST = 1 / 3  # of the trials, which are those that a prior is to be right about
_DOUBT = 0.5  # trials among the best that count as found, and as expected, before there are any


def prior_share(ranked: Sequence[FrozenTrial], others: Sequence[FrozenTrial] = ()) -> float:
    """The share of the next trials that comes from the prior.

    Args:
        ranked: the finished trials, the best first.
        others: those that came to no end, and are worse.
    """
    trials = [PRIOR in trial.user_attrs for trial in (*ranked, *others)]
    best = round(len(trials) * _BEST)
    lift = (sum(trials[:best]) + _DOUBT) / (sum(trials) * _BEST + _DOUBT)
    return min(MOST, FIRST * lift**2)


def prior_point(data: Mapping[str, Any], seed: int | None) -> dict[str, Any]:
    """Values of all parameters that have a default, those of every option included: drawn around it, or, where there
    is no seed, the defaults themselves."""
    drawn, ranges = random.Random(seed), distributions(data)
    return {
        name: default if seed is None else _around(ranges[name], default, confidence, drawn.random())
        for name, (default, confidence) in defaults(data).items()
    }


def _around(distribution: BaseDistribution, default: Any, confidence: str, share: float) -> Any:
    """The value below which a share of the prior lies; of a choice the default, or evenly one of the others."""
    if isinstance(distribution, CategoricalDistribution):
        others = [value for value in distribution.choices if value != default]
        weight = WEIGHTS[confidence] if others else 1.0
        return default if share < weight else others[int((share - weight) / (1 - weight) * len(others))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    centre, width = place_in(distribution, default), WIDTHS[confidence]
    place = truncnorm.ppf(share, -centre / width, (1 - centre) / width, loc=centre, scale=width)
    return value_at(distribution, float(place))

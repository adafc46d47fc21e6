"""Defaults of ranges: where a search looks first, and how soon it leaves a wrong one alone."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import SearchConfig
from growsearch.errors import ConfigError
from growsearch.search.drawing import draw
from growsearch.search.priors import FIRST, MOST, prior_point, prior_share
from growsearch.search.space import centre, distributions
from growsearch.search.study import ORDINAL, PRIOR, Plan, create_study
from tests.search.conftest import MakeSpace, RunStub

LR, WIDTH, HOW = "training.optimizer.lr", "network.width", "growth.how"


def space_of(rate: dict[str, Any], width: dict[str, Any], how: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "data": {"name": "digits"},
        "network": {"name": "mlp", "hidden": [4], "width": {"type": "float", "low": 0.1, "high": 1.0, **width}},
        "training": {
            "steps": 4,
            "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.001, "high": 1.0, "log": True, **rate}},
        },
        "growth": {"how": {"type": "choice", "options": {"zero": {}, "random": {}, "split": {}}, **(how or {})}},
    }


def cost(point: dict[str, Any]) -> float:
    """Least at a rate of 0.1 and a width of 0.65."""
    return float((math.log10(point[LR]) + 1) ** 2 + 2 * (point[WIDTH] - 0.65) ** 2)


def searched(data: dict[str, Any], seed: int, trials: int, sampler: str = "random") -> tuple[list[float], int]:
    """The best cost after each trial, and how many trials were drawn from the prior."""
    study = create_study(InMemoryStorage(), "s", Plan(data, SearchConfig(sampler=sampler, seed=seed), {}), Path())
    ranges, found, drawn = distributions(data), list[float](), 0
    for ordinal in range(trials):
        running = optuna.create_trial(state=TrialState.RUNNING, user_attrs={ORDINAL: ordinal, "measures": {}})
        trial = study.storage.create_new_trial(study.id, running)
        one = draw(study, study.storage.get_trial(trial), 0)
        for name, value in one.parameters.items():
            study.storage.set_trial_param(trial, name, ranges[name].to_internal_repr(value), ranges[name])
        if one.prior:
            study.storage.set_trial_user_attr(trial, PRIOR, True)
            drawn += 1
        study.storage.set_trial_state_values(trial, TrialState.COMPLETE, [cost(one.parameters)])
        found.append(min([*found[-1:], cost(one.parameters)]))
    return found, drawn


def told(*prior: bool) -> list[FrozenTrial]:
    return [
        optuna.create_trial(state=TrialState.COMPLETE, value=0.0, user_attrs={PRIOR: True} if one else {})
        for one in prior
    ]


def test_the_first_trial_is_at_the_defaults_and_the_others_around_them() -> None:
    data = space_of({"default": 0.1, "confidence": "high"}, {"default": 0.6}, {"default": "split"})

    points = [prior_point(data, seed) for seed in range(400)]

    assert prior_point(data, None) == {LR: 0.1, WIDTH: 0.6, HOW: "split"}
    assert centre(data)["growth"]["how"] == {"split": {}}
    rates = [math.log10(point[LR]) for point in points]
    spread = math.sqrt(fmean((rate + 1) ** 2 for rate in rates))
    assert spread == pytest.approx(3 * 0.125, rel=0.15)  # an eighth of three decades
    assert all(0.1 <= point[WIDTH] <= 1.0 for point in points)
    assert fmean(point[HOW] == "split" for point in points) == pytest.approx(0.7, abs=0.07)
    assert {point[HOW] for point in points} == {"zero", "random", "split"}


def test_the_share_follows_the_evidence() -> None:
    assert prior_share([]) == pytest.approx(FIRST)
    assert prior_share(told(*([True] * 12 + [False] * 24))) == MOST
    assert prior_share(told(*([False] * 6 + [True] * 3))) < FIRST / 6
    assert prior_share(told(*([False] * 6)), told(True, True, True)) < FIRST / 6  # those that were ended early
    even = prior_share(told(*([False, False, True] * 4)))
    assert even == pytest.approx(FIRST, rel=0.6)


def test_a_good_default_saves_trials_and_a_wrong_one_costs_few() -> None:
    def mean(data: dict[str, Any], trials: int) -> tuple[list[float], float]:
        runs = [searched(data, seed, trials) for seed in range(25)]
        return [fmean(run[0][place] for run in runs) for place in range(trials)], fmean(run[1] for run in runs)

    none, drawn = mean(space_of({}, {}), 30)
    good, often = mean(space_of({"default": 0.08}, {"default": 0.6}), 15)
    wrong, seldom = mean(space_of({"default": 0.002}, {"default": 0.15}), 33)

    assert drawn == 0 and often > 4 and seldom < 3
    assert good[5] < none[11] and good[14] < none[29]  # with half of the trials
    assert wrong[32] <= none[29]  # with a tenth more


def test_a_search_tells_which_trials_are_from_the_defaults(run_stub: RunStub) -> None:
    rate = "{type: float, low: 0.001, high: 1.0, log: true, default: 0.1, confidence: high}"

    found = run_stub(f"training.optimizer.lr={rate}", "search.budget={trials: 6}", "search.baselines=false")

    first, *others = found["trials"]
    assert first["prior"] and first["parameters"][LR] == 0.1
    assert not all("prior" in trial for trial in others)


def test_what_the_file_tries_first_is_not_from_the_defaults(run_stub: RunStub) -> None:
    rate = "{type: float, low: 0.001, high: 1.0, log: true, default: 0.1, confidence: high}"
    start = f"search.start=[{{{LR}: 0.45}}, {{{LR}: 0.3}}]"

    found = run_stub(f"training.optimizer.lr={rate}", start, "search.budget={trials: 6}", "search.baselines=false")

    assert [trial["parameters"][LR] for trial in found["trials"][:3]] == [0.45, 0.3, 0.1]
    assert ["prior" in trial for trial in found["trials"][:3]] == [False, False, True]


@pytest.mark.parametrize(
    ("range_", "said"),
    [
        ("{type: float, low: 0.1, high: 1.0, default: 2}", "default must be between low and high"),
        ("{type: float, low: 0.1, high: 1.0, confidence: high}", "confidence is in a default: give one"),
        ("{type: float, low: 0.1, high: 1.0, default: 0.5, confidence: sure}", "allowed low, medium, high"),
        ("{type: float, low: 0.1, high: 1.0, step: 0.2, default: 0.4}", "default must be one that steps of 0.2"),
        ("{type: choice, values: [0.1, 0.2], default: 0.3}", "default must be one of what is offered"),
    ],
)
def test_a_default_that_the_range_does_not_hold_is_refused(space: MakeSpace, range_: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        space(f"training.optimizer.lr={range_}")

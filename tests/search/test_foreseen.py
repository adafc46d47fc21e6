"""Trials that are sure to break a limit are told at once, and not trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from growsearch.cli.search_table import outcome
from growsearch.config import RunConfig, SearchConfig
from growsearch.config.run_config import normalized
from growsearch.search.foreseen import BreaksLimits, require_within_limits
from growsearch.search.known import known_trials
from growsearch.search.run import open_folder
from growsearch.search.snapshot import snapshot
from growsearch.training.loop import TrainingRun
from tests.search.conftest import RunStub
from tests.search.stub import record

GROWS = {"when": {"interval": {"every": 2, "count": 1}}, "how": "random", "budget": {"width": 2.0}}


def config(growth: dict[str, Any], width: float = 1.0) -> RunConfig:
    """An MLP of (64 + 1 + 10) * 4 * width + 10 parameters: 310 at width 1, 610 at width 2."""
    network = {"name": "mlp", "hidden": [4], "width": width}
    training = {"steps": 4, "batch_size": 64, "optimizer": {"name": "sgd", "lr": 0.1}, "precision": "float32"}
    plain = {"data": {"name": "digits"}, "network": network, "training": training, "growth": growth}
    return normalized(plain, False)


def limits(low: float | None = None, high: float | None = None) -> SearchConfig:
    return SearchConfig.model_validate({"constraints": ({"parameters": {"min": low, "max": high}},)})


@pytest.mark.parametrize(
    ("growth", "width", "search", "words"),
    [
        ({}, 2.0, limits(high=500), "it ends with 610 parameters"),
        ({}, 1.0, limits(low=500), "it ends with 310 parameters"),
        (GROWS, 1.0, limits(high=500), "it ends with 610 parameters"),  # its budget of width is used up
        (GROWS | {"budget": {"units": 9}}, 2.0, limits(high=500), "it ends with at least 610 parameters"),
    ],
)
def test_what_is_sure_to_break_a_limit_is_known(
    growth: dict[str, Any], width: float, search: SearchConfig, words: str
) -> None:
    with pytest.raises(BreaksLimits, match=words) as caught:
        require_within_limits(config(growth, width), search)

    size = int(words.split()[-2])
    limit = search.limits["parameters"]
    expected = {"parameters.max": size / 500 - 1} if limit.max else {"parameters.min": 1 - size / 500}
    assert caught.value.broken == pytest.approx(expected)


@pytest.mark.parametrize(
    ("growth", "search"),
    [
        ({}, limits(low=300, high=500)),
        (GROWS, limits(low=500)),  # starts below, ends above
        (GROWS | {"budget": {"units": 9}}, limits(high=500)),  # where it ends is seen at the end
        (GROWS | {"when": {"plateau": {"patience": 1}}}, limits(high=500)),
        ({"soft": "size_gate"}, limits(high=100)),  # its size may fall
    ],
)
def test_what_may_keep_its_limits_is_trained(growth: dict[str, Any], search: SearchConfig) -> None:
    require_within_limits(config(growth), search)


def test_the_size_that_was_foreseen_is_the_one_that_training_ends_with(tmp_path: Path) -> None:
    run = TrainingRun(config(GROWS), 0, tmp_path, "cpu", lambda event: None)
    run.train(4)
    run.close()

    assert sum(parameter.numel() for parameter in run.setup.model.parameters()) == 610


def test_such_a_trial_is_told_and_not_trained_but_baselines_are(run_stub: RunStub, tmp_path: Path) -> None:
    results = run_stub(
        "search={budget: {trials: 9}, pruner: none, race: none, constraints: [{parameters: {max: 500}}]}"
    )

    told = [trial for trial in results["trials"] if trial.get("kind") == "limits"]
    trained = {line["trial"] for line in record(tmp_path / "run", "begun")}
    assert told and not {trial["number"] for trial in told} & trained
    for trial in told:
        assert trial["state"] == "pruned" and trial["feasible"] is False
        assert trial["constraints"] == {"parameters.max": pytest.approx(110 / 500)}
    assert {0, 1, 2} <= trained  # of which `big` breaks the limit
    now = snapshot(open_folder(tmp_path / "run"))
    shown = next(trial for trial in now.trials if trial.number == told[0]["number"])
    assert outcome(now, shown) == "not trained: it ends with 610 parameters"


def test_samplers_learn_of_it_as_the_worst_with_its_own_excess() -> None:
    def made(state: TrialState, value: float | None, excess: dict[str, float], **attributes: Any) -> Any:
        range_ = {"lr": FloatDistribution(0.01, 0.5)}
        return optuna.create_trial(
            state=state, value=value, params={"lr": 0.1}, distributions=range_, constraints=excess,
            user_attrs=attributes,
        )  # fmt: skip

    trials = [
        made(TrialState.COMPLETE, 1.0, {"parameters.max": -0.5, "seconds.max": 0.2}),
        made(TrialState.PRUNED, None, {"parameters.max": 0.3}, kind="limits", reason="it ends with 610 parameters"),
    ]

    _, shown = known_trials(trials, [StudyDirection.MINIMIZE])

    assert (shown.state, shown.value) == (TrialState.COMPLETE, 1.0)
    assert shown.constraints == {"parameters.max": 0.3, "seconds.max": 0.0}

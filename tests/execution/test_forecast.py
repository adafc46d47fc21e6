"""What growth will come to, said before a run, and what it came to, said after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison import compare, results_from
from growsearch.config import RunConfig
from growsearch.execution.forecast import Forecast, forecast_warnings, forecasts
from growsearch.growth.firing import firing
from growsearch.growth.policy import strategy
from growsearch.growth.strategy import Scheduler
from growsearch.runs.events import JobsStarted
from tests.watching import Told

Make = Callable[..., RunConfig]
FIXED = {"growth": {"when": {"never": {}}}}


def fires(when: dict[str, Any], steps: int, rows_every: int = 5) -> tuple[tuple[int, ...] | None, int, int | None]:
    found = firing(strategy(Scheduler, "when", when), steps, 5, rows_every)  # type: ignore[type-abstract]
    return found.events, found.most, found.wanted


@pytest.mark.parametrize(
    ("when", "steps", "expected"),
    [
        ({"interval": {"every": 100, "count": 8}}, 12, ((), 0, 8)),
        ({"interval": {"every": 100, "count": 8}}, 120, ((100,), 1, 8)),
        ({"interval": {"every": 4}}, 12, ((4, 8), 2, None)),
        ({"schedule": {"steps": [3, 9, 12, 20]}}, 12, ((3, 9), 2, 4)),
        ({"geometric": {"first": 4, "ratio": 1.0, "count": 3}}, 20, ((4, 12), 2, 3)),
        ({"phases": {"epochs": 1, "count": 9}}, 20, ((5, 10, 15), 3, 9)),
        ({"plateau": {"patience": 3}}, 15, (None, 0, None)),  # the fourth report comes after the last step
        ({"plateau": {"patience": 1, "count": 2}}, 50, (None, 2, None)),
        ({"singular_value": {"every": 5}}, 16, (None, 3, None)),
    ],
)
def test_a_scheduler_is_asked_at_every_step(when: dict[str, Any], steps: int, expected: tuple[Any, ...]) -> None:
    assert fires(when, steps) == expected


def coming(comparison: Make, steps: int = 12, **growth: Any) -> Forecast:
    base = {"when": {"interval": {"every": 4, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}}
    training = {"steps": steps, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    config = comparison(growth={**base, **growth}, training=training, policies={"zero": {}})
    [found] = forecasts(config.policy_configs()).values()
    return found


@pytest.mark.parametrize(
    ("steps", "growth", "units", "full"),
    [
        (12, {}, 2, True),
        (6, {}, 2, True),  # the one event takes all of the budget
        (3, {}, 0, False),
        (12, {"amount": 0.34, "budget": {"width": 3.0}}, 2, False),
        (12, {"amount": 0.34, "where": {"round_robin": {}}, "budget": {"units": 9}}, 2, False),
        (12, {"budget": {"parameters": 29}}, 1, True),  # 21 of the seed and 7 for each unit
        (12, {"budget": {"width": 2.0}}, 3, True),
    ],
)
def test_the_forecast_is_what_the_run_comes_to(
    comparison: Make, tmp_path: Path, steps: int, growth: dict[str, Any], units: int, full: bool
) -> None:
    base = {"when": {"interval": {"every": 4, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}, **growth}
    training = {"steps": steps, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    config = comparison(growth=base, training=training, policies={"zero": {}}, seeds=1)

    [found] = forecasts(config.policy_configs()).values()
    results = compare(config, tmp_path, "cpu", 1)

    assert (found.parameters, found.full) == (21 + 7 * units, full)
    assert results["policies"]["zero"]["parameters"] == [found.parameters]
    assert results["policies"]["zero"]["growth_events"][0] <= len(found.firing.events or ())


def test_a_forecast_of_a_run_that_ends_by_its_flops_counts_the_steps_that_growth_leaves(
    comparison: Make, tmp_path: Path
) -> None:
    training = {"flops": 10.5 * 50 * 102, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    growth = {"when": {"interval": {"every": 4}}, "how": {"zero": {}}, "budget": {"units": 6}}
    config = comparison(growth=growth, training=training, policies={"zero": {}}, seeds=1)

    [found] = forecasts(config.policy_configs()).values()
    results = compare(config, tmp_path, "cpu", 1)

    assert found.firing.events == (4,)  # ten steps of the seed's size, so the second event was to be at 8
    assert results["policies"]["zero"]["growth_events"] == [1]
    assert results["policies"]["zero"]["parameters"] == [found.parameters]


def test_what_would_mislead_is_said_before_the_run(comparison: Make) -> None:
    never, some, short = (
        coming(comparison, steps=3),
        coming(comparison, steps=6),
        coming(comparison, amount=0.34, budget={"width": 3.0}),
    )

    assert forecast_warnings({"fine": coming(comparison)}) == []
    [still] = forecast_warnings({"a": never, "b": never})
    assert still.startswith("a, b will not grow: no event of 2 can fall within the run's 3 optimizer steps")
    assert forecast_warnings({"a": some, "b": some}) == [
        "a, b: only 1 of 2 events can take place, the last at step 4 of 6: train longer, or set an earlier growth.when"
    ]
    [below] = forecast_warnings({"c": short})
    assert below.startswith("c: ends with 35 parameters, below its budget")
    assert coming(comparison, when={"plateau": {"metric": "train_loss", "mode": "min"}}).events_words() == (
        "depends on the run (at most 2 in 12 steps)"
    )


def test_a_comparison_in_which_nothing_grew_says_so(comparison: Make, tmp_path: Path) -> None:
    events: list[Told] = []
    training = {"steps": 3, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    config = comparison(training=training, policies={"small": FIXED, "zero": {}, "random": {}})

    results = compare(config, tmp_path, "cpu", 1, events.append)

    verdict, begun = results["verdict"], events[0]
    assert isinstance(begun, JobsStarted)
    assert [warning.split(":")[0] for warning in begun.warnings] == ["zero, random will not grow"]
    assert verdict["growth"]["not_grown"] == ["zero", "random"]
    assert verdict["sentence"].startswith("No policy grew: no growth event took place in 3 optimizer steps.")
    assert verdict["controls"]["found"] == {}
    found = results_from(results)
    assert [row.size() for row in found.rows()] == ["21", "21, did not grow", "21, did not grow"]
    assert found.conclusions.advice.headline == "Nothing grew: this comparison says nothing about growing."


def test_a_policy_that_did_not_grow_is_named_among_others(comparison: Make, tmp_path: Path) -> None:
    late = {"growth": {"when": {"interval": {"every": 50}}}}
    short = {"growth": {"amount": 0.34, "budget": {"units": 9}}}

    results = compare(comparison(policies={"zero": {}, "late": late, "short": short}), tmp_path, "cpu", 1)

    assert results["verdict"]["growth"]["not_grown"] == ["late"]
    sentence = results["verdict"]["sentence"]
    assert sentence.startswith("late did not grow: no growth event took place in 12 optimizer steps.")
    assert "short ended below its budget in 2 of 2 runs." in sentence
    assert set(results["verdict"]["controls"]["found"]) == {"zero", "short"}

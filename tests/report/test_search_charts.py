"""What the charts of a search show, from trials whose numbers are known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from growsearch.report import search_charts as charts
from growsearch.report.search_figures import draw_front, search_figures
from growsearch.search.rung_quality import RungQuality

RATE, HOW = "training.optimizer.lr", "growth.how"
RANGES = {RATE: FloatDistribution(0.01, 1.0, log=True), HOW: CategoricalDistribution(("random", "gradmax"))}


def trial(number: int, loss: float, rate: float, how: str = "random", excess: float = -1.0) -> FrozenTrial:
    """A finished trial of 100 FLOPs, ten seconds long, by one of two workers."""
    made = optuna.create_trial(
        value=loss,
        params={RATE: rate, HOW: how},
        distributions=RANGES,
        intermediate_values={1: 2 * loss},
        user_attrs={
            "flops": 100.0,
            "lease": {"worker": f"host/1:{number % 2}:a"},
            "measures": {"parameters": 10.0 * (number + 1)},
        },
        constraints={"parameters.max": excess},
    )
    made.number, made.datetime_start = number, datetime(2026, 1, 1) + timedelta(seconds=10 * number)
    made.datetime_complete = made.datetime_start + timedelta(seconds=10)
    return made


@pytest.fixture
def trials() -> list[FrozenTrial]:
    return [trial(0, 3.0, 0.01), trial(1, 1.0, 0.1, "gradmax", excess=0.5), trial(2, 2.0, 1.0)]


def test_history_is_over_the_flops_of_all_trials_and_the_best_keeps_the_limits(trials: list[FrozenTrial]) -> None:
    race = {"candidates": [{"trial": 2, "mean": 2.2, "error": 0.1}, {"trial": 0, "mean": None, "error": None}]}

    drawn = charts.history(trials, "validation_loss", 1, race)

    assert drawn is not None
    points, best, raced = drawn.data
    assert (list(points.x), list(points.y)) == ([100, 200, 300], [3.0, 1.0, 2.0])
    assert (list(best.x), list(best.y)) == ([100, 300], [3.0, 2.0])
    assert (list(raced.x), list(raced.y), list(raced.error_y.array)) == ([300], [2.2], [0.1])
    assert list(charts.history(trials, "accuracy", -1, None).data[1].y) == [3.0, 3.0]  # type: ignore[union-attr]


def test_parallel_lines_go_from_the_lowest_value_to_the_rank(trials: list[FrozenTrial]) -> None:
    drawn = charts.parallel(trials, "validation_loss", 1, [RATE, HOW])

    assert drawn is not None
    worst, middle, best = drawn.data  # the better, the brighter, and the later drawn
    assert list(worst.x) == [RATE, HOW, "validation_loss"]
    assert list(worst.y) == [0.0, 1.0, 1.0] and list(middle.y) == [1.0, 1.0, 0.5]
    assert list(best.y) == pytest.approx([0.5, 0.0, 0.0])


def test_slices_leave_out_what_never_varied(trials: list[FrozenTrial]) -> None:
    drawn = charts.slices([trial(0, 1.0, 0.1), trial(1, 2.0, 0.2)], "validation_loss", [RATE, HOW])

    assert drawn is not None and len(drawn.data) == 1
    assert drawn.layout.xaxis.title.text == RATE and drawn.layout.xaxis.type == "log"
    assert drawn.layout.xaxis.title.font.size <= 10  # or names lie over each other where the page is narrow


def test_a_rung_is_drawn_against_the_end(trials: list[FrozenTrial]) -> None:
    drawn = charts.rung(trials, 1, RungQuality(0.2, 3, 1.0), "validation_loss")

    assert drawn is not None
    assert (list(drawn.data[0].x), list(drawn.data[0].y)) == ([6.0, 2.0, 4.0], [3.0, 1.0, 2.0])
    assert drawn.layout.xaxis.title.text == "at 20% of the schedule"


def test_the_timeline_has_a_row_for_each_worker(trials: list[FrozenTrial]) -> None:
    drawn = charts.timeline(trials)

    assert drawn is not None
    [bars] = drawn.data
    assert list(bars.y) == ["worker 1", "worker 2", "worker 1"]
    assert (list(bars.base), list(bars.x)) == ([0, 10, 20], [10, 10, 10])


def test_importance_has_an_interval_from_trials_drawn_anew() -> None:
    study = optuna.create_study()
    study.add_trials([trial(n, loss=0.1 * (n % 4), rate=0.1) for n in range(12)])

    def shares(some: Any) -> dict[str, float]:
        return {RATE: sum(one.values[0] for one in some) / len(some)}

    drawn = charts.importance(study, shares)

    assert drawn is not None
    [bars] = drawn.data
    assert bars.x[0] == pytest.approx(0.15)
    assert 0 < bars.error_x.array[0] < 0.15 and 0 < bars.error_x.arrayminus[0] < 0.15


def test_the_pareto_front_is_told_apart_by_colour() -> None:
    """Not by shades of the trials' numbers, which the page's own colours would take away."""
    study = optuna.create_study(directions=["minimize", "minimize"])
    for values, excess in (((1.0, 2.0), -1), ((2.0, 1.0), -1), ((2.0, 2.0), -1), ((0.5, 0.5), 1)):
        study.add_trial(optuna.create_trial(values=values, constraints={"parameters.max": excess}))

    drawn = draw_front(study, ["validation_loss", "parameters"])

    points = {trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in drawn.data}
    assert points == {"on the front": [(1, 2), (2, 1)], "others": [(2, 2)], "break a limit": [(0.5, 0.5)]}
    assert all(trace.showlegend and trace.marker.color is None for trace in drawn.data)


def test_a_search_has_its_charts_by_name(trials: list[FrozenTrial]) -> None:
    study = optuna.create_study()
    study.add_trials([*trials, *(trial(n, 1.0 + 0.1 * n, 0.02 * n) for n in range(3, 10))])
    results = {
        "objectives": [{"minimize": "validation_loss"}],
        "race": None,
        "rungs": [{"share": 0.2, "finished": 10, "correlation": 1.0}],
    }

    found = [one.anchor for one in search_figures(study, results)]

    assert found == ["history-0", "importance-0", "slices", "parallel", "rung-1", "size", "timeline"]
    study = optuna.create_study()
    study.add_trial(optuna.create_trial(state=TrialState.FAIL))
    assert search_figures(study, results) == []

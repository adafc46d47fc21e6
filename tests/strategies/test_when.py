"""Schedulers: at which steps each one grows."""

from __future__ import annotations

import math
from typing import Any

import pytest

from growsearch import InputError
from growsearch.growth import Progress, Scheduler
from growsearch.growth.policy import strategy


def scheduler(name: str, **parameters: Any) -> Scheduler:
    return strategy(Scheduler, "when", {name: parameters})


def due_steps(when: Scheduler, steps: int, total_steps: int | None = None) -> list[int]:
    """Steps of a run at which the scheduler grows, with every growth recorded as an event."""
    progress = Progress(total_steps=total_steps)
    for _ in range(steps):
        progress.step += 1
        if when.due(progress):
            progress.events.append(progress.step)
    return progress.events


def left(when: Scheduler, step: int, total_steps: int | None = None) -> int | None:
    return when.events_left(Progress(step=step, total_steps=total_steps))


def test_never_does_not_grow() -> None:
    assert due_steps(scheduler("never"), 50) == []
    assert left(scheduler("never"), 3) == 0


def test_interval_starts_with_one_interval() -> None:
    assert due_steps(scheduler("interval", every=3), 10) == [3, 6, 9]


def test_interval_starts_where_it_is_told_and_counts() -> None:
    assert due_steps(scheduler("interval", every=4, start=2), 15) == [2, 6, 10, 14]
    assert due_steps(scheduler("interval", every=4, start=9, count=2), 30) == [9, 13]
    assert due_steps(scheduler("interval", every=1, count=3), 10) == [1, 2, 3]


def test_interval_does_not_grow_at_the_very_last_step() -> None:
    """What is added there could not train."""
    assert due_steps(scheduler("interval", every=5), 20, total_steps=20) == [5, 10, 15]
    assert due_steps(scheduler("interval", every=5), 21, total_steps=21) == [5, 10, 15, 20]


def test_interval_knows_the_events_to_come() -> None:
    when = scheduler("interval", every=5, start=10, count=4)
    assert [left(when, step) for step in (1, 10, 11, 15, 25, 26)] == [4, 4, 3, 3, 1, 0]
    assert [left(when, step, total_steps=21) for step in (1, 10, 15, 20, 21)] == [3, 3, 2, 1, 0]
    assert [left(when, step, total_steps=20) for step in (10, 15)] == [2, 1]
    assert left(scheduler("interval", every=5), 1) is None
    assert left(scheduler("interval", every=5), 5, total_steps=20) == 3
    assert left(scheduler("interval", every=5, start=30), 5, total_steps=20) == 0


@pytest.mark.parametrize("total_steps", [None, 7, 12, 13])
@pytest.mark.parametrize("parameters", [{"every": 3}, {"every": 3, "start": 1, "count": 3}, {"every": 2, "start": 5}])
def test_events_left_counts_the_events_that_come(parameters: dict[str, int], total_steps: int | None) -> None:
    when = scheduler("interval", **parameters)
    steps = due_steps(when, total_steps or 40, total_steps)
    for step in range(1, 14):
        expected = sum(each >= step for each in steps)
        known = left(when, step, total_steps)
        assert known == (expected if total_steps or "count" in parameters else None)


def test_schedule_grows_at_the_listed_steps() -> None:
    when = scheduler("schedule", steps=[2, 3, 11])
    assert due_steps(when, 20) == [2, 3, 11]
    assert [left(when, step) for step in (1, 2, 3, 4, 12)] == [3, 3, 2, 1, 0]


@pytest.mark.parametrize("steps", [[], [0, 3], [5, 3], [3, 3], [-1]])
def test_schedule_wants_rising_positive_steps(steps: list[int]) -> None:
    with pytest.raises(InputError, match="steps"):
        scheduler("schedule", steps=steps)


def test_geometric_stretches_its_stages() -> None:
    """T_0 = 10, T_1 = 10 + round(0.5 * 10) = 15, T_2 = 15 + round(7.5) = 23, T_3 = 23 + round(11.5) = 35."""
    when = scheduler("geometric", first=10, ratio=0.5, count=4)
    assert due_steps(when, 200) == [10, 25, 48, 83]
    assert [left(when, step) for step in (1, 10, 11, 83, 84)] == [4, 4, 3, 1, 0]


def test_geometric_with_a_small_ratio_rounds() -> None:
    """A fifth of 2 and of 1 rounds to 0: the stages stay; a fifth of 3 rounds to 1."""
    assert due_steps(scheduler("geometric", first=2, ratio=0.2, count=3), 20) == [2, 4, 6]
    assert due_steps(scheduler("geometric", first=3, ratio=0.2, count=3), 20) == [3, 7, 12]


def reported(when: Scheduler, values: list[float], report_first: bool = True, metric: str = "accuracy") -> list[int]:
    """Numbers of the reports after which the network grows, with one report a step."""
    progress = Progress()
    grown = []
    for index, value in enumerate(values):
        if report_first:
            progress.report({metric: value})
        progress.step += 1
        if when.due(progress):
            progress.events.append(progress.step)
            grown.append(index)
        if not report_first:
            progress.report({metric: value})
    return grown


def test_plateau_waits_for_patience_reports_without_gain() -> None:
    when = scheduler("plateau", metric="accuracy", patience=2, gain=0.01)
    assert reported(when, [0.1, 0.2, 0.3, 0.4, 0.5]) == []
    # The best of reports 2 and 3 gains 0.005 on the best before: too little.
    assert reported(when, [0.1, 0.5, 0.504, 0.505]) == [3]
    # One good report within the patience is enough to go on.
    assert reported(when, [0.1, 0.5, 0.4, 0.6]) == []
    # A gain of exactly `gain` counts as progress.
    assert reported(scheduler("plateau", metric="accuracy", patience=1, gain=0.5), [1.0, 1.5, 1.75]) == [2]


@pytest.mark.parametrize("report_first", [True, False], ids=["report_then_step", "step_then_report"])
def test_plateau_counts_anew_after_an_event(report_first: bool) -> None:
    """With patience 2, a flat metric is a plateau at the third report, and at the third after each event."""
    when = scheduler("plateau", metric="accuracy", patience=2)
    # A report after the step is seen by the next step.
    late = 0 if report_first else 1
    assert reported(when, [0.5] * 10, report_first) == [2 + late, 5 + late, 8 + late]


def test_plateau_takes_the_smaller_for_better_where_told() -> None:
    falling = [5.0, 4.0, 3.0, 2.0]
    assert reported(scheduler("plateau", metric="loss", patience=1, mode="min"), falling, metric="loss") == []
    assert reported(scheduler("plateau", metric="loss", patience=1, mode="max"), falling, metric="loss") == [1, 3]


def test_plateau_stops_after_count_events_and_ignores_other_metrics() -> None:
    when = scheduler("plateau", metric="accuracy", patience=1, count=2)
    assert reported(when, [0.5] * 10) == [1, 3]
    assert reported(when, [0.5] * 10, metric="loss") == []


def test_plateau_does_not_grow_twice_for_one_report() -> None:
    when = scheduler("plateau", metric="accuracy", patience=1)
    progress = Progress()
    grown = []
    for step in range(1, 13):
        if step % 4 == 0:
            progress.report({"accuracy": 0.5})
        progress.step = step
        if when.due(progress):
            grown.append(step)
    # Reports at 4, 8, 12: due once each from the second on, although no event was recorded.
    assert grown == [8, 12]


def test_phases_put_an_event_between_phases_and_let_the_training_settle() -> None:
    assert due_steps(scheduler("phases", steps=10, settle=0.25), 100, total_steps=100) == [10, 20, 30, 40, 50, 60, 70]
    assert due_steps(scheduler("phases", steps=10, count=2), 100, total_steps=100) == [10, 20]
    assert due_steps(scheduler("phases", steps=5, settle=0), 20, total_steps=20) == [5, 10, 15]
    assert due_steps(scheduler("phases", steps=10), 35) == [10, 20, 30]


def test_phases_know_the_events_to_come() -> None:
    when = scheduler("phases", steps=10, settle=0.25)
    assert [left(when, step, total_steps=100) for step in (1, 10, 11, 70, 71)] == [7, 7, 6, 1, 0]
    assert left(when, 10) is None
    assert left(scheduler("phases", steps=10, count=3), 11) == 2


def test_phases_of_epochs_need_to_know_how_long_an_epoch_is() -> None:
    when = scheduler("phases", epochs=1.5)
    progress = Progress(step=6, steps_per_epoch=4)
    assert when.due(progress)
    assert not when.due(Progress(step=4, steps_per_epoch=4))
    with pytest.raises(InputError, match="steps_per_epoch"):
        when.due(Progress(step=6))


@pytest.mark.parametrize("parameters", [{}, {"steps": 3, "epochs": 1.0}])
def test_phases_have_one_length(parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="exactly one of steps and epochs"):
        scheduler("phases", **parameters)


def shares_done(when: Scheduler, costs: list[float], total: float) -> list[int]:
    """Steps at which it grows in a run that ends by its FLOPs, with steps that cost so much."""
    progress, used = Progress(), 0.0
    grown = []
    for cost in costs:
        used += cost
        progress.meter(used, total)
        progress.advance(1.0)
        if when.due(progress):
            grown.append(progress.step)
    return grown


def test_flops_grows_once_at_each_share_of_the_flops_not_of_the_steps() -> None:
    when = scheduler("flops", shares=[0.25, 0.5])
    assert shares_done(when, [1.0] * 20, 20) == [5, 10]
    # The second half of the steps is three times as dear: half of the FLOPs is behind two thirds of them.
    assert shares_done(when, [1.0] * 10 + [3.0] * 10, 40) == [10, 14]
    # One step that passes both shares is one event.
    assert shares_done(when, [1.0, 18.0, 1.0], 20) == [2]


def test_flops_goes_by_steps_where_these_end_the_run() -> None:
    when = scheduler("flops", shares=[0.3, 0.5])
    progress = Progress(total_steps=10)
    grown = []
    for _ in range(10):
        progress.advance(100.0)
        if when.due(progress):
            grown.append((progress.step, when.events_left(progress)))
    assert grown == [(3, 2), (5, 1)]
    assert when.events_left(progress) == 0


def test_flops_survives_a_checkpoint_between_two_shares() -> None:
    when = scheduler("flops", shares=[0.5])
    progress = Progress()
    progress.meter(5.5, 10)
    progress.advance(1.0)
    again = Progress()
    again.load_state_dict(progress.state_dict())
    again.meter(6.5, 10)
    again.advance(1.0)
    assert not when.due(again)  # it was passed before the checkpoint


def test_flops_needs_to_know_how_long_the_run_is() -> None:
    with pytest.raises(InputError, match="total_steps"):
        scheduler("flops", shares=[0.5]).due(Progress(step=1))


@pytest.mark.parametrize("shares", [[0.5, 0.25], [0.0], [1.0], [0.5, 0.5]])
def test_flops_takes_rising_shares_only(shares: list[float]) -> None:
    with pytest.raises(InputError, match="rise"):
        scheduler("flops", shares=shares)


def optimal_moment(gain: float, reports: int = 200, **parameters: Any) -> float | None:
    """FLOPs at which it first grows in a run whose loss is 1 + 10 C^-0.28 after every one of so many equal parts."""
    when = scheduler("compute_optimal", gain=gain, **parameters)
    progress = Progress()
    for _ in range(reports):
        if when.due(progress):
            return progress.flops
        progress.advance(10.0)
        progress.report({"validation_loss": 1 + 10 * progress.flops**-0.28})
        progress.step += 1  # the report is seen by the next step
    return None


def test_compute_optimal_grows_where_the_slopes_per_flop_meet() -> None:
    """The threshold, against the two slopes of the law themselves, taken by hand at the moment of growth."""
    gain, factor, b = 0.15, 2.0, 0.28
    moment = optimal_moment(gain, reports=5000, window=1.05)
    assert moment is not None
    excess = 10 * moment**-b
    slope = b * excess / moment
    # The larger network at the same loss: e + gain = B (C / factor)^-b with the same B, in its own FLOPs C.
    compute = factor * ((excess + gain) / 10) ** (-1 / b)
    assert b * (excess + gain) / compute == pytest.approx(slope, rel=0.03)


def test_compute_optimal_grows_later_for_a_smaller_gain_and_never_for_too_small_a_one() -> None:
    early, late = optimal_moment(0.3, reports=400), optimal_moment(0.2, reports=400)
    assert early is not None and late is not None and early < late
    assert optimal_moment(0.01) is None
    assert optimal_moment(100.0, reports=4) is None  # five reports make a slope


def test_compute_optimal_expects_less_of_the_next_event() -> None:
    """The gain of the second doubling is 2^-0.34 of the first one's: the slope has to be that much flatter."""
    when = scheduler("compute_optimal", gain=1.0, reports=3)
    threshold = 0.28 / (2 ** (0.28 / 1.28) - 1)

    def due(slope: float, events: list[int]) -> bool:
        progress = Progress(events=events, flops=1.0)
        for step in range(5, 9):
            progress.flops, progress.step = 1 + 0.1 * step, step
            progress.report({"validation_loss": -slope * math.log(progress.flops)})
        progress.step += 1
        return when.due(progress)

    assert due(0.99 * threshold, []) and not due(1.01 * threshold, [])
    assert due(0.99 * threshold * 2**-0.34, [2]) and not due(1.01 * threshold * 2**-0.34, [2])


def test_compute_optimal_counts_anew_after_an_event() -> None:
    when = scheduler("compute_optimal", gain=1.0, reports=3, count=2)
    progress = Progress()
    grown = []
    for _ in range(40):
        progress.advance(1.0)
        if when.due(progress):
            grown.append(progress.step)
            progress.events.append(progress.step)
        progress.report({"validation_loss": 0.5})
    assert grown == [5, 8]  # three reports within a factor of two of FLOPs, and three since the event


def measured(*values: tuple[int, float], events: tuple[int, ...] = ()) -> Progress:
    progress = Progress(events=list(events))
    for step, value in values:
        progress.step = step
        progress.report({"largest_singular_value": value})
    return progress


def test_singular_value_grows_above_its_threshold() -> None:
    absolute = scheduler("singular_value", threshold=2.0, relative=False)
    assert absolute.due(measured((100, 2.5)))
    assert not absolute.due(measured((100, 2.5), (200, 1.9)))
    relative = scheduler("singular_value", threshold=0.5)
    assert relative.due(measured((100, 4.0), (200, 2.0)))
    assert not relative.due(measured((100, 4.0), (200, 1.9)))


def test_singular_value_decides_only_on_what_it_measured_in_this_step() -> None:
    progress = measured((100, 4.0))
    progress.step = 101
    assert not scheduler("singular_value").due(progress)
    assert not scheduler("singular_value").due(Progress(step=100))


def test_singular_value_measures_at_intervals_and_rests_after_an_event() -> None:
    when = scheduler("singular_value", every=10, cooldown=25)
    assert [step for step in range(1, 61) if when.watches(Progress(step=step))] == [30, 40, 50, 60]
    after = [step for step in range(41, 101) if when.watches(Progress(step=step, events=[40]))]
    assert after == [70, 80, 90, 100]
    assert not scheduler("singular_value", every=10, count=1).watches(Progress(step=20, events=[10]))
    assert not scheduler("singular_value", every=10).watches(Progress(step=20, total_steps=20))

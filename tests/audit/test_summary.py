"""All events of a run: what each did, what was predicted, measured without changing the run."""

from __future__ import annotations

import pytest

from growsearch.audit import read_audits, read_summaries, summarize
from growsearch.audit.measure import FRESH_BATCHES, Measurement
from growsearch.training.setup import set_up
from tests.audit.conftest import SMALL, Make, config
from tests.audit.test_branches import audited

GAUSS_NEWTON = {
    **SMALL["growth"],
    "when": {"schedule": {"steps": [6, 12, 18]}},
    "how": {"gauss_newton": {}},
    "where": {"gauss_newton": {}},
}


def test_measuring_leaves_no_trace_in_the_repeated_run(run: Make) -> None:
    target = run(growth=GAUSS_NEWTON)

    found = summarize(target, "cpu")

    assert found.repetition.equal
    assert [row.step for row in found.rows] == [event.step for event in target.events]
    assert [row.effect.predicted_change for row in found.rows] == [e.predicted_change for e in target.events]
    assert [row.effect.measured_change for row in found.rows] == [e.measured_change for e in target.events]


def test_predictions_are_calibrated_on_their_batch_and_on_others(run: Make) -> None:
    found = summarize(run(growth=GAUSS_NEWTON), "cpu")

    own, fresh = [one for one in found.calibrations if one.prediction == "change of the loss"]
    effects = [row.effect for row in found.rows if row.effect.predicted_change]
    assert own.events == fresh.events == len(effects) > 1
    ratios = sorted(effect.measured_change / effect.predicted_change for effect in effects)  # type: ignore[operator]
    assert own.median_ratio == pytest.approx((ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2)
    assert own.median_ratio != fresh.median_ratio
    assert "The predicted change of the loss:" in found.sentence


def test_what_keeps_the_function_is_said_to_predict_nothing_but_promises_a_first_step(run: Make) -> None:
    found = summarize(run(), "cpu")

    assert "Its initializer, gradmax, keeps the function: no event was to change the loss, and none did." in (
        found.sentence
    )
    assert {one.prediction for one in found.calibrations} == {"first step of the new weights"}
    for row in found.rows:
        first = row.effect.first_step
        assert first is not None
        assert first.predicted < 0
        assert first.measured == pytest.approx(first.predicted, rel=0.5)  # first order


def test_the_other_batches_are_not_the_one_that_predicted() -> None:
    setup = set_up(config().policy_configs()["run"], 0, "cpu")

    others = [inputs for inputs, _ in Measurement(setup)._fresh]
    own, _ = next(iter(setup.statistics))

    assert len(others) == FRESH_BATCHES
    assert not any(inputs.equal(own) for inputs in others)


def test_a_batch_that_is_the_whole_training_set_leaves_no_others(run: Make) -> None:
    found = summarize(run(growth={**SMALL["growth"], "statistics": {"batch_size": 2000}}), "cpu")

    assert [row.effect.fresh_change for row in found.rows] == [None, None]
    assert {one.data for one in found.calibrations} == {"the batch that predicted"}


def test_a_second_summary_is_the_first_one_read_again(run: Make) -> None:
    target = run()
    first = summarize(target, "cpu")
    path = target.folder / "audit" / "summary.json"
    written = path.stat().st_mtime_ns

    assert summarize(target, "cpu") == first
    assert path.stat().st_mtime_ns == written
    assert read_summaries(target.folder.parents[1]) == [first]


def test_audits_are_read_back_as_they_were(run: Make) -> None:
    target = run()
    second, first = audited(target, 2, seeds=2), audited(target, 1, how=["zero"])

    assert read_audits(target.folder.parents[1]) == [first, second]
    assert read_audits(target.folder) == []

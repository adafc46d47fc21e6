from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from growsearch.config import RunConfig
from growsearch.config.run_config import normalized
from growsearch.errors import InputError
from growsearch.training import TrainingRun, run_one
from growsearch.training.length import steps_bought, steps_within

Make = Callable[..., RunConfig]
SGD = {"name": "sgd", "lr": 0.05}
# A 4:3:3 network without bias: 2*21 FLOPs forward, 2*21 for the weights' gradients, 2*9 for the hidden layer's.
SAMPLE = 102


@pytest.mark.parametrize("batch_size", [0, 1, 7, 20, 25, 50, 80])
def test_flops_buy_the_most_steps_that_cost_no_more(batch_size: int) -> None:
    size = batch_size or 50
    batches = [min(size, 50 - start) for start in range(0, 50, size)]
    for budget in range(0, 200 * SAMPLE, 3 * SAMPLE // 2):
        steps, spent = 0, 0
        while spent + SAMPLE * batches[steps % len(batches)] <= budget:
            spent += SAMPLE * batches[steps % len(batches)]
            steps += 1

        assert steps_bought(budget, SAMPLE, 50, batch_size) == steps


@pytest.mark.parametrize("batch_size", [0, 7, 20, 25])
def test_flops_buy_the_most_steps_from_within_an_epoch_too(batch_size: int) -> None:
    size = batch_size or 50
    batches = [min(size, 50 - start) for start in range(0, 50, size)]
    for done in range(len(batches) + 1):
        for budget in range(0, 120 * SAMPLE, 7 * SAMPLE // 2):
            steps, spent = 0, 0
            while spent + SAMPLE * batches[(done + steps) % len(batches)] <= budget:
                spent += SAMPLE * batches[(done + steps) % len(batches)]
                steps += 1

            assert steps_within(budget, SAMPLE, 50, batch_size, done * size) == steps


GROWING = {"when": {"interval": {"every": 4, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}}


def test_a_growing_run_ends_by_its_flops_and_learns_by_them(student: Make, tmp_path: Path) -> None:
    limit = 40.0 * 50 * SAMPLE
    training = {"flops": limit, "batch_size": 20, "optimizer": SGD, "schedule": {"name": "cosine"}}

    result = run_one(student(training=training, growth=GROWING), 0, tmp_path, "cpu")

    rows = [json.loads(row) for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert result.growth_events == 2
    assert limit - 20 * (SAMPLE + 2 * 34) < result.training_flops <= limit  # a step with both new units
    assert result.steps < 120  # of the seed's size: 40 epochs of 3 steps
    assert rows[-1]["step"] == result.steps
    assert 0 < rows[-1]["lr"] < 0.01 * rows[0]["lr"]  # the cosine has come to its end


def test_a_growing_run_by_flops_goes_on_as_if_it_had_not_stopped(student: Make, tmp_path: Path) -> None:
    training = {"flops": 20.0 * 50 * SAMPLE, "batch_size": 20, "optimizer": SGD, "schedule": {"name": "cosine"}}
    config = student(training=training, growth=GROWING)
    whole = run_one(config, 0, tmp_path / "whole", "cpu")

    (tmp_path / "parts").mkdir()
    for until in (3, 6, 11):
        part = TrainingRun(config, 0, tmp_path / "parts", "cpu", lambda event: None)
        part.train(until)
        part.save()
        part.close()
    parts = run_one(config, 0, tmp_path / "parts", "cpu")

    assert replace(parts, seconds=0.0, growth_seconds=0.0) == replace(whole, seconds=0.0, growth_seconds=0.0)


def test_a_run_as_long_as_its_flops_uses_no_more_of_them(student: Make, tmp_path: Path) -> None:
    # Epochs of 50 samples in steps of 20, 20 and 10: 7 steps are two epochs and 20 samples, 120 in all.
    training = {"flops": 125.0 * SAMPLE, "batch_size": 20, "optimizer": SGD}

    result = run_one(student(training=training), 0, tmp_path, "cpu")

    assert (result.steps, result.training_flops) == (7, 120 * SAMPLE)


def test_the_schedule_spans_the_steps_that_the_flops_buy(student: Make, tmp_path: Path) -> None:
    schedule = {"name": "cosine", "final": 0.1}
    by_flops = {"flops": 125.0 * SAMPLE, "batch_size": 20, "optimizer": SGD, "schedule": schedule}
    by_steps = {"steps": 7, "batch_size": 20, "optimizer": SGD, "schedule": schedule}

    for name, training in (("flops", by_flops), ("steps", by_steps)):
        run_one(student(training=training), 0, tmp_path / name, "cpu")

    rows = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("flops", "steps")]
    found, expected = ([(row["step"], row["lr"], row["train_loss"]) for row in map(json.loads, each)] for each in rows)
    assert found == expected


def test_flops_that_buy_no_step_are_refused(student: Make, tmp_path: Path) -> None:
    training = {"flops": 19.0 * SAMPLE, "batch_size": 20, "optimizer": SGD}

    with pytest.raises(InputError, match=r"training.flops: 1938 buys no step .*one costs 2040 FLOPs"):
        run_one(student(training=training), 0, tmp_path, "cpu")


@pytest.mark.parametrize(
    ("training", "growth", "message"),
    [
        ({"flops": 1e10, "epochs": 2}, None, "exactly one of epochs, steps and flops .*found epochs and flops"),
        ({"flops": 0}, None, "training.flops: out of range"),
        ({"flops": 1e10}, {"soft": "size_gate"}, "not followed where gradient descent chooses the size"),
    ],
)
def test_flops_are_for_sizes_that_change_in_events_and_no_other_length_is_beside_them(
    training: dict[str, float], growth: dict[str, object] | None, message: str
) -> None:
    file = {"data": "digits", "network": "mlp", "training": {**training, "optimizer": SGD}, "growth": growth}

    with pytest.raises(InputError, match=message):
        normalized(file)


def test_a_policy_that_does_not_grow_may_be_as_long_as_its_flops() -> None:
    growth = {"when": {"interval": {"every": 5}}, "how": "zero"}
    fixed = {"training": {"epochs": None, "flops": 1e10}, "growth": {"when": "never"}}
    file = {"data": "digits", "network": "mlp", "training": {"epochs": 1, "optimizer": SGD}, "growth": growth}

    configs = normalized({**file, "policies": {"fixed": fixed, "zero": {}}}).policy_configs()

    assert (configs["fixed"].training.flops, configs["fixed"].training.epochs) == (1e10, None)
    assert configs["zero"].training.epochs == 1


def test_rows_come_evenly_over_the_flops_of_a_growing_run(student: Make, tmp_path: Path) -> None:
    limit = 40.0 * 50 * SAMPLE
    training = {"flops": limit, "batch_size": 20, "optimizer": SGD, "rows": 8}

    run_one(student(training=training, growth=GROWING), 0, tmp_path, "cpu")

    rows = [json.loads(row) for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    shares = [row["training_flops"] / limit for row in rows]
    step = 20 * (SAMPLE + 2 * 34) / limit
    assert len(rows) in (8, 9)  # the last step may leave a rest that no further step fits into
    assert all(part / 8 <= share < part / 8 + step for part, share in enumerate(shares[:7], start=1))


def test_rows_come_evenly_over_the_steps_of_other_runs(student: Make, tmp_path: Path) -> None:
    training = {"steps": 24, "batch_size": 20, "optimizer": SGD, "rows": 5}

    run_one(student(training=training), 0, tmp_path, "cpu")

    rows = [json.loads(row) for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 24]


def test_growth_at_a_share_of_the_flops(student: Make, tmp_path: Path) -> None:
    """Also where the run was stopped before; the event's own FLOPs count."""
    limit = 40.0 * 50 * SAMPLE
    growth = {**GROWING, "when": {"flops": {"shares": [0.5, 0.75]}}}
    config = student(training={"flops": limit, "batch_size": 20, "optimizer": SGD}, growth=growth)
    whole = run_one(config, 0, tmp_path / "whole", "cpu")

    (tmp_path / "part").mkdir()
    part = TrainingRun(config, 0, tmp_path / "part", "cpu", lambda event: None)
    part.train(until=70)  # behind the first event
    part.save()
    part.close()
    again = run_one(config, 0, tmp_path / "part", "cpu")

    rows = [json.loads(row) for row in (tmp_path / "whole" / "growth.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows][0] == 60  # of 120 steps of the seed's size
    assert len(rows) == 2
    assert (again.steps, again.training_flops) == (whole.steps, whole.training_flops)
    assert (tmp_path / "part" / "growth.jsonl").read_text().count("\n") == 2

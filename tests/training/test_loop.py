from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.runs.events import Grew, RowDone, RunEvent, RunFinished, RunStarted, StepDone
from growsearch.runs.lines import read_lines
from growsearch.training import TrainingDiverged, TrainingRun, load_network, run_one
from tests.muon import needs_muon

Make = Callable[..., RunConfig]

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
DIGITS = {"data": {"name": "digits"}, "network": {"name": "small_cnn", "channels": [4, 8]}}


def test_a_network_learns(student: Make, tmp_path: Path) -> None:
    training = {"epochs": 3, "batch_size": 32, "optimizer": {"name": "adam", "lr": 0.02}}
    events: list[RunEvent] = []

    result = run_one(student(training=training, **DIGITS), 0, tmp_path, "cpu", events.append)

    assert (result.value("test_accuracy") or 0) > 0.5
    rows = read_lines(tmp_path / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1]["training_flops"] == result.training_flops
    assert 0 < rows[-1]["validation_accuracy"] <= 1
    kinds = [type(event) for event in events if not isinstance(event, StepDone)]
    assert kinds == [RunStarted, RowDone, RowDone, RowDone, RunFinished]


def test_a_files_widths_are_rounded_to_its_multiple(student: Make, tmp_path: Path) -> None:
    growth = {"when": {"interval": {"every": 4}}, "how": {"zero": {}}, "budget": {"width": 4.0}, "round_to": 5}

    result = run_one(student(growth=growth), 0, tmp_path)

    assert result.parameters == (4 + 3) * 10  # the last multiple of 5 below 4 x 3


def test_rows_follow_the_evaluation_interval_and_the_end(student: Make, tmp_path: Path) -> None:
    # 50 samples in batches of 20 are 3 steps an epoch.
    training = {"steps": 20, "batch_size": 20, "optimizer": SGD, "evaluate_every": 2}

    run_one(student(training=training), 0, tmp_path)

    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")] == [6, 12, 18, 20]


def test_a_run_of_many_steps_has_at_most_a_hundred_rows(student: Make, tmp_path: Path) -> None:
    run_one(student(training={"steps": 250, "batch_size": 0, "optimizer": SGD}), 0, tmp_path)

    assert [row["step"] for row in read_lines(tmp_path / "metrics.jsonl")][:3] == [3, 6, 9]


def test_the_training_loss_is_the_mean_over_the_samples_since_the_row_before(student: Make, tmp_path: Path) -> None:
    # With a learning rate of nearly 0 the mean over an epoch is the loss of all the data, and they are the test set.
    training = {"epochs": 2, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 1e-12}}

    result = run_one(student(training=training), 0, tmp_path)

    losses = [row["train_loss"] for row in read_lines(tmp_path / "metrics.jsonl")]
    assert losses == pytest.approx([result.metrics["test_loss"]] * 2, rel=1e-5)


def test_a_diverged_run_says_so(student: Make, tmp_path: Path) -> None:
    training = {"steps": 30, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 1e20}}

    with pytest.raises(TrainingDiverged, match="loss is (nan|inf) at step .*; lower the learning rate"):
        run_one(student(training=training), 0, tmp_path)
    assert not (tmp_path / "result.json").exists()


def test_growth_is_logged_and_paid_for(student: Make, tmp_path: Path) -> None:
    growth = {"when": {"interval": {"every": 6, "count": 2}}, "how": {"zero": {}}, "budget": {"units": 2}}
    events: list[RunEvent] = []

    result = run_one(student(growth=growth), 0, tmp_path, "cpu", events.append)

    log = read_lines(tmp_path / "growth.jsonl")
    assert [(line["step"], line["widths_before"], line["widths"]) for line in log] == [
        (6, {"0": 3}, {"0": 4}),
        (12, {"0": 4}, {"0": 5}),
    ]
    assert result.growth_events == 2
    assert sum(line["seconds"] for line in log) <= result.growth_seconds < result.seconds
    assert result.widths == {"0": 5}
    # 3, 4 and 5 hidden units between 4 inputs and 3 outputs; a step has 20, 20 or 10 samples.
    cost = {units: 2 * 2 * 7 * units + 2 * 3 * units for units in (3, 4, 5)}
    growing = [line["growth_flops"] for line in log]
    assert min(growing) > 0 and result.growth_flops == sum(growing)
    assert result.training_flops == 100 * cost[3] + 100 * cost[4] + 200 * cost[5] + sum(growing)
    assert [event.line.step for event in events if isinstance(event, Grew)] == [6, 12]
    assert read_lines(tmp_path / "metrics.jsonl")[-1]["growth_flops"] == result.growth_flops


def test_what_a_scheduler_measures_without_growing_is_paid_for(student: Make, tmp_path: Path) -> None:
    when = {"singular_value": {"threshold": 1e9, "relative": False, "every": 8}}
    growth = {"when": when, "how": {"zero": {}}, "budget": {"units": 2}}

    watched = run_one(student(growth=growth), 0, tmp_path / "watched")
    plain = run_one(student(), 0, tmp_path / "plain")

    assert watched.growth_events == plain.growth_flops == 0 < watched.growth_flops
    assert watched.training_flops - watched.growth_flops == plain.training_flops


@needs_muon
def test_bfloat16_and_muon_train(student: Make, tmp_path: Path) -> None:
    training = {"steps": 6, "batch_size": 20, "optimizer": {"name": "muon", "lr": 0.01}, "precision": "bfloat16"}

    result = run_one(student(training=training), 0, tmp_path)

    assert result.precision == "bfloat16"
    assert {parameter.dtype for parameter in load_network(tmp_path).parameters()} == {torch.float32}


def test_the_scheduler_hears_of_metrics(student: Make, tmp_path: Path) -> None:
    plateau = {"metric": "train_loss", "mode": "min", "patience": 1, "gain": 1e9}
    growth = {"when": {"plateau": plateau}, "how": {"zero": {}}, "budget": {"units": 1}}

    assert run_one(student(growth=growth), 0, tmp_path).growth_events == 1


def test_a_scheduler_that_waits_for_what_never_comes_is_refused(student: Make, tmp_path: Path) -> None:
    growth = {"when": {"plateau": {"metric": "validation_accuracy"}}, "how": {"zero": {}}, "budget": {"units": 1}}

    with pytest.raises(InputError, match="watches 'validation_accuracy', which .* does not report: choose train_loss"):
        run_one(student(growth=growth), 0, tmp_path)


def test_clip_bounds_the_norm_of_all_gradients_together(student: Callable[..., RunConfig], tmp_path: Path) -> None:
    """With plain SGD the first step is the learning rate times the gradients."""
    lengths = []
    for clip in (None, 1e-3):
        training = {"steps": 1, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 0.1}, "clip": clip}
        (tmp_path / str(clip)).mkdir()
        run = TrainingRun(student(training=training), 0, tmp_path / str(clip), "cpu", lambda event: None)
        before = [parameter.detach().clone() for parameter in run.setup.model.parameters()]
        run.train()
        run.close()
        moved = [(p - b).detach().norm() for p, b in zip(run.setup.model.parameters(), before, strict=True)]
        lengths.append(float(torch.stack(moved).norm()))

    assert lengths[1] == pytest.approx(0.1 * 1e-3, rel=1e-4)
    assert lengths[0] > 10 * lengths[1]


PROGRAM = """
import sys
from pathlib import Path
from growsearch.config import load_config
from growsearch.runs.events import RunStarted
from growsearch.training import run_one

def told(event):
    if isinstance(event, RunStarted):
        print("imported" if "torch._dynamo" in sys.modules else "not yet")

assert "torch._dynamo" not in sys.modules
run_one(load_config("file.yaml"), 0, Path("run"), "cpu", told)
"""


def test_what_torch_imports_at_the_first_step_is_no_training_time(tmp_path: Path) -> None:
    """The clock starts when a run is told of."""
    training = "{steps: 5, optimizer: {name: sgd, lr: 0.1}}"
    (tmp_path / "file.yaml").write_text(f"data: {{name: digits}}\nnetwork: {{name: mlp}}\ntraining: {training}\n")
    found = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "imported\n"

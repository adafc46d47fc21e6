"""Records with something in every field."""

from __future__ import annotations

from growsearch.runs.records import GrowthLine, MetricsRow, RunResult

ROW = MetricsRow(
    step=5,
    epoch=0.5,
    train_loss=1.25,
    metrics={"validation_loss": 2.5, "validation_accuracy": 0.5},
    lr=0.1,
    parameters=40,
    training_flops=10**12,
    seconds=1.5,
)
GROWN = GrowthLine(
    step=4,
    sites={"0": 2},
    widths={"0": 6},
    when="interval",
    where="uniform",
    how="zero",
    parameters_before=40,
    parameters_after=52,
    flops_before=80,
    flops_after=104,
    predicted_change=None,
    measured_change=0.0,
    output_change=0.0,
    seconds=0.25,
    gradient_ratio={"0": 0.5},
    active_before=40,
    active_after=52,
    left_out={"2": "its outputs are fixed"},
    growth_flops=900,
    widths_before={"0": 4},
)
RESULT = RunResult(
    config="0123456789abcdef",
    seed=1,
    steps=24,
    train_loss=1.0,
    metrics={"test_loss": 0.75, "test_accuracy": None},
    parameters=52,
    training_flops=10**12,
    seconds=2.5,
    growth_seconds=0.25,
    growth_events=1,
    widths={"0": 6},
    device="cpu",
    precision="float32",
    samples={"training": 50, "validation": 0, "test": 50},
    active_parameters=52,
    flops=104,
    growth_flops=900,
    budget_full=True,
)

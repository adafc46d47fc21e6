"""Training that only pretends: no network, but a score, rows, a checkpoint, and a record of everything it did."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from growsearch.config import RunConfig
from growsearch.errors import GrowsearchError
from growsearch.runs.events import Progress, RowDone, RunStarted, StepDone
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import CHECKPOINT, RESULT
from growsearch.runs.reading import read_json
from growsearch.runs.records import MetricsRow, RunResult
from growsearch.runs.store import write_result
from growsearch.training import Interrupted, TrainingDiverged

ROWS = 4
LOG = "trained.jsonl"


def score(config: RunConfig, seed: int) -> float:
    """Best at a learning rate of 0.1 and for `random`; seeds differ a little."""
    distance = abs(math.log10(config.training.optimizer["lr"]) + 1)
    return 0.9 - 0.2 * distance + 0.05 * ("random" in config.growth.how) + 0.001 * seed


def train(config: RunConfig, seed: int, folder: Path, device: str, progress: Progress) -> RunResult:
    """A run of four rows of 500,000 FLOPs each, times the network's width."""
    folder.mkdir(parents=True, exist_ok=True)
    lr, width = config.training.optimizer["lr"], config.network.get("width", 1.0)
    if (folder / RESULT).exists():
        note(folder, "reused", lr, ROWS)
        return RunResult.of(read_json(folder / RESULT), str(folder))
    saved = folder / CHECKPOINT
    done = int(saved.read_text()) if saved.exists() else 0
    note(folder, "begun", lr, done)
    progress(RunStarted(done, ROWS, 10))
    if lr > 0.5:
        raise TrainingDiverged("training diverged: the loss is nan at step 1")
    if lr < 0.0011:
        raise GrowsearchError("this network is refused")
    for row in range(done + 1, ROWS + 1):
        time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
        value = score(config, seed) * row / ROWS
        flops = round(500_000 * row * width)
        progress(RowDone(row_of(row, flops, value), ROWS))
        _save(saved, row)
        try:
            progress(StepDone(row, ROWS))
        except Interrupted:
            note(folder, "interrupted", lr, row)
            raise
    result = RunResult(
        config="",
        seed=seed,
        steps=ROWS,
        train_loss=0.1,
        metrics=metrics_of(score(config, seed)),
        parameters=round(400 * width),
        flops=10,
        training_flops=round(2_000_000 * width),
        seconds=0.1,
        growth_seconds=0.0,
        growth_events=0,
        widths={},
        device="cpu",
        precision="float32",
    )
    write_result(folder, result)
    saved.unlink(missing_ok=True)
    note(folder, "finished", lr, ROWS)
    return result


def metrics_of(accuracy: float) -> dict[str, float | None]:
    """What a run of that accuracy reports."""
    return {"validation_accuracy": accuracy, "validation_loss": 1 - accuracy}


def row_of(step: int, flops: int, accuracy: float) -> MetricsRow:
    """A row of which only these are of interest."""
    return MetricsRow(
        step=step,
        epoch=step,
        train_loss=0.1,
        metrics=metrics_of(accuracy),
        lr=0.1,
        parameters=10,
        training_flops=flops,
        seconds=0.0,
    )


def _save(checkpoint: Path, row: int) -> None:
    """Whole or not at all, as training does: it may be killed at any moment."""
    write_atomically(checkpoint, lambda file: file.write(str(row).encode()))


def note(folder: Path, what: str, lr: float, rows: int) -> None:
    """Append to the record of the whole run folder: one line, written at once."""
    line = json.dumps({"what": what, "trial": int(folder.parent.name), "seed": folder.name, "lr": lr, "rows": rows})
    with (folder.parents[2] / LOG).open("a") as file:
        file.write(line + "\n")


def record(folder: Path, what: str, resumed: bool = False) -> list[dict[str, Any]]:
    """Lines of one kind in the record of a run folder; only of runs that went on from a checkpoint, if `resumed`."""
    path = folder / LOG
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if line["what"] == what and (line["rows"] > 0 or not resumed)]

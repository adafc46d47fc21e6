from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison.conclusions import conclude
from growsearch.comparison.control_differences import ControlRuns
from growsearch.comparison.controls import Control
from growsearch.comparison.envelope import envelopes
from growsearch.comparison.metric import ACCURACY
from growsearch.comparison.results import PER_SEED
from growsearch.comparison.trajectory import trajectories
from growsearch.comparison.tuning import TunedArm, Tuning
from growsearch.runs.lines import read_lines
from tests.runs.examples import GROWN

STEPS = 40


def write_run(folder: Path, seed: int, accuracy: float, growing: bool, steps: int) -> dict[str, Any]:
    """A run's logs as training writes them, and what it adds to `results.json`."""
    folder.mkdir(parents=True)
    rows = [
        {
            "step": step,
            "epoch": step / 10,
            "train_loss": 2.0 / step,
            "validation_accuracy": accuracy * step / steps,
            "lr": 0.1,
            "parameters": 100 + step,
            "training_flops": 100 * step,
            "seconds": 0.1 * step + seed,
        }
        for step in range(1, steps + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    events = [
        {"step": 10, "sites": {"0": 2}, "widths_before": {"0": 4, "2": 8}, "widths": {"0": 6, "2": 8}},
        {"step": 15, "sites": {}, "widths_before": {"0": 6, "2": 8}, "widths": {"0": 6, "2": 8}, "refused": "no"},
        {"step": 20, "sites": {"0": 1}, "widths_before": {"0": 6, "2": 8}, "widths": {"0": 7, "2": 8}},
    ]
    logged = [GROWN.plain() | event for event in events]
    (folder / "growth.jsonl").write_text("".join(json.dumps(event) + "\n" for event in logged) if growing else "")
    result = dict.fromkeys(PER_SEED, 1.0)
    return {**result, "test_accuracy": accuracy, "widths": {"0": 7, "2": 8}, "growth_events": 2 if growing else 0}


def write_comparison(
    folder: Path,
    seeds: int = 3,
    names: tuple[str, ...] = ("small", "grown"),
    steps: int = STEPS,
    gain: float = 0.1,
) -> Path:
    """A folder as `growsearch compare` leaves it: each policy is by `gain` more accurate than the one before it."""
    policies: dict[str, Any] = {}
    for index, name in enumerate(names):
        runs = [
            write_run(folder / name / f"seed-{seed}", seed, 0.5 + gain * index + 0.01 * seed, name != "small", steps)
            for seed in range(seeds)
        ]
        policies[name] = {"seeds": list(range(seeds)), **{key: [run[key] for run in runs] for key in PER_SEED}}
    logs = {
        name: [read_lines(folder / name / f"seed-{seed}" / "metrics.jsonl") for seed in range(seeds)] for name in names
    }
    results = {
        "policies": policies,
        "verdict": conclude(policies).plain(),
        "trajectories": trajectories(logs),
        "failures": [{"policy": "grown", "seed": 9, "reason": "diverged <at once>"}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.yaml").write_text(
        "data: {name: digits}\nnetwork: {name: mlp}\ntraining: {epochs: 2, optimizer: {name: sgd, lr: 0.1}}\n"
    )
    environment = {
        "command": ["growsearch", "compare"],
        "device": "cpu",
        "processor": "a processor",
        "accelerator": None,
        "packages": {"torch": "2.0"},
        "git": {"commit": "abc123", "changed": False},
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    return folder


@pytest.fixture
def comparison(tmp_path: Path) -> Callable[..., Path]:
    """Makes a finished comparison's folder: `comparison(seeds=3, names=("small", "grown"), steps=40, gain=0.1)`."""

    def make(**settings: Any) -> Path:
        return write_comparison(tmp_path / "run", **settings)

    return make


def add_envelope(folder: Path) -> None:
    """The envelope of `grown`, as `controls: [envelope]` and `tune` leave it: `small`'s runs stand for every size."""
    results = json.loads((folder / "results.json").read_text())
    controls = (
        Control("grown's seed network at its compute", "small_equal_compute", "grown", "grown"),
        Control("width 1 at grown's compute", "envelope", "grown", "grown", {"width": 1.0}, final=True),
    )
    rows = {control.name: results["policies"]["small"] for control in controls}
    seeds = results["policies"]["small"]["seeds"]
    for control in controls:
        shutil.copytree(folder / "small", folder / control.name)
    logs = {
        name: {seed: read_lines(folder / name / f"seed-{seed}" / "metrics.jsonl") for seed in seeds}
        for name in ("grown", *rows)
    }
    found = envelopes(ACCURACY, {**results["policies"], **rows}, controls, logs)
    tuned = Tuning((0.5, 1.0), (100,), {"grown": TunedArm((0.4, None), 0.5, 0.05, "lowest")}, "Widen <the grid>.")
    results["controls"] = {one.name: {**one.plain(), **rows[one.name]} for one in controls}
    verdict = conclude(results["policies"], None, None, ControlRuns(controls, rows), found, tuned)
    results["verdict"] = verdict.plain()
    (folder / "results.json").write_text(json.dumps(results))

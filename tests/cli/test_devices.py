"""`--devices`: what is recorded and shown, and what is refused before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from growsearch.runs.environment import read_environment
from growsearch.runs.layout import run_of
from growsearch.runs.store import read_result

FILE = """
data: {name: teacher_student, inputs: 4, hidden: 6, outputs: 3, samples: 50}
network: {name: mlp, hidden: [3], bias: false}
training: {steps: 8, batch_size: 20, optimizer: {name: sgd, lr: 0.05}}
growth: {when: {interval: {every: 4, count: 1}}, how: zero, budget: {units: 2}}
"""

Call = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(FILE)
    return path


def test_a_run_on_two_devices_is_recorded_shown_and_resumed_so(growsearch: Call, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    found = growsearch("run", file, "--devices", 2, "--device", "cpu", "--seeds", 1, "--out", folder, "--json")

    assert found.exit_code == 0, found.stderr
    assert "each run on 2 devices" in found.stderr
    assert json.loads(found.stdout)["policies"]["run"]["growth_events"] == [1]
    result = read_result(run_of(folder, "run", 0))
    assert result is not None and result.devices == 2
    assert read_environment(folder).devices == 2
    assert ">devices<" in (folder / "report.html").read_text()

    more = folder / "config.yaml"
    more.write_text(more.read_text().replace("seeds: 1", "seeds: 2"))
    assert growsearch("resume", folder, "--device", "cpu").exit_code == 0
    result = read_result(run_of(folder, "run", 1))
    assert result is not None and result.devices == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.batch_size=1",
            "training.batch_size: 1 cannot be shared by 2 devices: give 2 or more, or leave --de",
        ),
        ("growth.statistics.batch_size=1", "growth.statistics.batch_size: 1 cannot be shared by 2 devices"),
        ("training.cuda_graph=true", "training.cuda_graph: a recording does not hold what other devices send"),
        ("growth={soft: size_gate}", "growth.soft moves sizes in every step"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    setting: str, message: str, growsearch: Call, file: Path, tmp_path: Path
) -> None:
    found = growsearch("run", file, "--devices", 2, "--device", "cpu", "--out", tmp_path / "run", "--set", setting)

    assert found.exit_code == 2 and message in found.stderr
    assert not list(tmp_path.glob("run/run/*"))


def test_runs_on_several_devices_go_one_after_the_other(growsearch: Call, file: Path, tmp_path: Path) -> None:
    found = growsearch("run", file, "--devices", 2, "--device", "cpu", "--workers", 2, "--out", tmp_path / "run")

    assert found.exit_code == 2 and "so they go one after the other: leave --workers out" in found.stderr


def test_more_gpus_than_there_are_is_refused(
    growsearch: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    found = growsearch("run", file, "--devices", 3, "--device", "cuda", "--out", tmp_path / "run")

    assert found.exit_code == 2
    assert "--devices 3: found 1 CUDA device: give --devices 1, or --device cpu" in found.stderr


def test_torchrun_is_not_needed(growsearch: Call, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")

    found = growsearch("run", file, "--out", tmp_path / "run")

    assert found.exit_code == 2 and "give --devices 2 in place of torchrun" in found.stderr


def test_a_search_has_a_device_for_each_trial(growsearch: Call, file: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(FILE)
    (tmp_path / "search.json").write_text("{}")

    found = growsearch("resume", tmp_path, "--devices", 2)

    assert found.exit_code == 2 and "give --workers in place of --devices" in found.stderr

"""When passes are recorded and replayed; the recordings themselves need a GPU (tests/cuda)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from growsearch.config import RunConfig
from growsearch.errors import GrowthFailed
from growsearch.runs.lines import read_lines
from growsearch.training import TrainingRun, gradients, run_one
from growsearch.training.gradients import WARM_UP
from growsearch.training.setup import Setup
from growsearch.training.world import ALONE

Make = Callable[..., RunConfig]


class Pretended:
    """In place of a recording: computes, and counts."""

    made: list[torch.Size] = []

    def __init__(
        self, compute: Callable[[Tensor, Tensor], Tensor], model: Any, inputs: Tensor, targets: Tensor, stream: None
    ) -> None:
        self._compute, self.shape, self.parameters = compute, inputs.shape, list(model.parameters())
        self.made.append(self.shape)

    def replay(self, inputs: Tensor, targets: Tensor) -> Tensor:
        assert inputs.shape == self.shape
        return self._compute(inputs, targets)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Recordings are made, on the CPU, and pretended: the shapes of their batches."""
    monkeypatch.setattr(gradients, "Recording", Pretended)
    monkeypatch.setattr(Setup, "records", True)
    monkeypatch.setattr(Pretended, "made", [])
    return Pretended.made


def test_a_shape_is_recorded_after_the_warm_up_and_smaller_batches_are_computed(
    recorded: list[torch.Size], student: Make, tmp_path: Path
) -> None:
    # 50 samples in batches of 20: 20, 20 and 10.
    training = {"steps": 30, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 0.05}}

    result = run_one(student(training=training), 0, tmp_path)

    assert recorded == [torch.Size([20, 4])]
    assert result.cuda_graph


def test_what_is_replayed_trains_as_what_is_computed(recorded: list[torch.Size], student: Make, tmp_path: Path) -> None:
    replayed = run_one(student(), 0, tmp_path / "replayed")
    recorded.clear()
    Setup.records = False

    computed = run_one(student(), 0, tmp_path / "computed")

    assert recorded == [] and not computed.cuda_graph
    assert replayed.metrics["test_loss"] == computed.metrics["test_loss"]


def test_a_network_that_has_grown_is_recorded_anew(recorded: list[torch.Size], student: Make, tmp_path: Path) -> None:
    growth = {"when": {"schedule": {"steps": [20, 40]}}, "how": {"zero": {}}, "budget": {"units": 2}}
    training = {"steps": 60, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    run = TrainingRun(student(growth=growth, training=training), 0, tmp_path, "cpu", lambda event: None)

    run.train()

    run.close()
    assert len(read_lines(tmp_path / "growth.jsonl")) == 2
    assert len(recorded) == 3
    assert run._gradients.replayed == 60 - 3 * WARM_UP


def test_a_growth_that_was_rolled_back_leaves_the_recording(
    recorded: list[torch.Size], monkeypatch: pytest.MonkeyPatch, student: Make, tmp_path: Path
) -> None:
    def fail(*arguments: Any) -> None:
        raise GrowthFailed("on purpose")

    monkeypatch.setattr("growsearch.growth.step.require_preserved", fail)
    growth = {"when": {"schedule": {"steps": [20, 40]}}, "how": {"zero": {}}, "budget": {"units": 2}}
    training = {"steps": 60, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}

    run_one(student(growth=growth, training=training), 0, tmp_path)

    assert [line["refused"] for line in read_lines(tmp_path / "growth.jsonl")] == ["on purpose"] * 2
    assert len(recorded) == 1


def test_a_network_that_cannot_be_recorded_is_computed(
    monkeypatch: pytest.MonkeyPatch, student: Make, tmp_path: Path
) -> None:
    tried = []

    def refuse(*arguments: Any) -> None:
        tried.append(arguments)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(gradients, "Recording", refuse)
    monkeypatch.setattr(Setup, "records", True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    training = {"steps": 30, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}

    result = run_one(student(training=training), 0, tmp_path)

    assert len(tried) == 1 and result.steps == 30 and not result.cuda_graph


@pytest.mark.parametrize(
    ("network", "asked", "expected"),
    [
        ({"name": "mlp"}, None, True),
        ({"name": "torchvision:resnet18"}, None, True),
        ({"layers": ["flatten", "linear"]}, None, True),
        ({"name": "package.module:build"}, None, False),
        ({"name": "package.module:build"}, True, True),
        ({"name": "mlp"}, False, False),
    ],
)
def test_only_networks_that_are_known_to_be_functions_are_recorded_unasked(
    student: Make, network: dict[str, Any], asked: bool | None, expected: bool
) -> None:
    config = student(network=network)
    config = config.model_copy(update={"training": config.training.model_copy(update={"cuda_graph": asked})})

    def records(device: str, soft: Any = None) -> bool:
        setup = object.__new__(Setup)
        setup.config, setup.device, setup.soft, setup.world = config, torch.device(device), soft, ALONE
        return setup.records

    assert records("cuda") is expected
    assert not records("cpu")
    assert not records("cuda", soft=object())

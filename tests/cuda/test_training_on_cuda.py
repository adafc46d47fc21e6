from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from growsearch.config import RunConfig, find_file, load_config
from growsearch.optimizers import offered_names
from growsearch.runs.lines import read_lines
from growsearch.training import TrainingRun, run_one

CNN = {
    "data": {"name": "digits"},
    "network": {"name": "small_cnn", "channels": [16, 32, 64], "width": 0.25},
    "training": {
        "steps": 60,
        "batch_size": 64,
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "precision": "float32",
    },
    "growth": {"budget": {"width": 0.5}, "when": {"schedule": {"steps": [25, 40]}}, "how": {"gradmax": {}}},
}


class Waiting(nn.Module):
    """Its forward asks for a value, which no recording can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(64, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.hidden(x.flatten(1)))
        return self.last(hidden) * (2.0 if float(hidden.detach().sum()) < 0 else 1.0)


def config(**training: Any) -> RunConfig:
    return RunConfig.model_validate({**CNN, "training": {**CNN["training"], **training}})


def test_replayed_steps_train_as_computed_ones_do(tmp_path: Path) -> None:
    replayed = run_one(config(), 0, tmp_path / "replayed", "cuda")
    computed = run_one(config(cuda_graph=False), 0, tmp_path / "computed", "cuda")

    assert replayed.cuda_graph and not computed.cuda_graph
    assert replayed.widths == computed.widths
    assert replayed.growth_events == 2
    first, second = (read_lines(tmp_path / name / "metrics.jsonl") for name in ("replayed", "computed"))
    assert [row["train_loss"] for row in first] == pytest.approx([row["train_loss"] for row in second], rel=1e-2)


def test_a_network_whose_forward_waits_for_values_is_computed(tmp_path: Path) -> None:
    plain = {
        "data": {"name": "digits"},
        "network": {"name": f"{__name__}:Waiting"},
        "training": {**CNN["training"], "cuda_graph": True},
    }
    one = RunConfig.model_validate(plain).model_copy(update={"allow_import": True})

    result = run_one(one, 0, tmp_path, "cuda")

    assert not result.cuda_graph
    assert result.train_loss < 2.5


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = run_one(config(), 0, tmp_path / "whole", "cuda")
    (tmp_path / "parts").mkdir()
    first = TrainingRun(config(), 0, tmp_path / "parts", "cuda", lambda event: None)
    first.train(32)
    first.save()
    first.close()

    parts = run_one(config(), 0, tmp_path / "parts", "cuda")

    assert parts.steps == whole.steps and parts.widths == whole.widths
    assert parts.train_loss == pytest.approx(whole.train_loss, rel=2e-2)


@pytest.mark.parametrize("policy", sorted(load_config(find_file("all_policies")).policies))
def test_every_policy_trains(policy: str, tmp_path: Path) -> None:
    one = load_config(find_file("all_policies")).policy_configs()[policy]
    shorter = one.training.model_copy(update={"epochs": 10})

    result = run_one(one.model_copy(update={"training": shorter}), 0, tmp_path, "cuda")

    assert result.device == "cuda"
    assert result.metrics["test_accuracy"] > 0.3
    assert [line["refused"] for line in read_lines(tmp_path / "growth.jsonl") if line["refused"]] == []


def images(folder: Path) -> Path:
    """Noise in the shape of CIFAR-10."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 4)):
        for label in range(10):
            (folder / split / str(label)).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / str(label) / f"{index}.png")
    return folder


@pytest.mark.parametrize("file", ["cifar10_vgg11", "cifar10_wrn28"])
def test_the_protocols_of_the_gradmax_paper_grow_to_the_big_network(file: str, tmp_path: Path) -> None:
    overrides = [
        f"data={{name: image_folder, root: {images(tmp_path / 'images')}}}",
        "training.epochs=16",
        "training.batch_size=16",
        "training.optimizer.lr=0.001",
        f"growth.when={{schedule: {{steps: {list(range(12, 156, 12))}}}}}",
    ]
    results = {
        name: run_one(policy, 0, tmp_path / name, "cuda")
        for name, policy in load_config(file, overrides).policy_configs().items()
    }

    assert {name: one["growth_events"] for name, one in results.items()} == {
        **{"small": 0, "big": 0},
        **{"random": 12, "firefly": 12, "gradmax": 12},
    }
    assert {one["parameters"] for name, one in results.items() if name != "small"} == {results["big"]["parameters"]}
    assert all(one["precision"] == "bfloat16" and one["cuda_graph"] for one in results.values())
    log = read_lines(tmp_path / "gradmax" / "growth.jsonl")
    assert max(line["output_change"] for line in log) < 1e-4


@pytest.mark.parametrize("name", sorted(set(offered_names()) - {"muon"}))
def test_every_optimizer_follows_a_growth(name: str, tmp_path: Path) -> None:
    rate = 0.1 if name in ("sgd", "adagrad") else 0.01
    changed = config(optimizer={"name": name, "lr": rate})

    result = run_one(changed, 0, tmp_path, "cuda")

    losses = [row["train_loss"] for row in read_lines(tmp_path / "metrics.jsonl")]
    assert result.growth_events == 2 and losses[-1] < losses[0]

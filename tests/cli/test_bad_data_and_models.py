"""Input that is well written but cannot be used: one message, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Run = Callable[..., Any]

FILE = """\
data: {data}
network: {network}
training: {{epochs: 1, batch_size: 8, optimizer: {{name: sgd, lr: 0.1}}, precision: float32}}
growth:
  budget: {{width: 2.0}}
  when: {{interval: {{every: 1, count: 1}}}}
  how: {how}
"""

MODELS = """\
import torch
from torch import nn


class Failing(nn.Module):
    def __init__(self, *_):
        super().__init__()
        self.layer = nn.Linear(5, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def write(path: Path, data: str = "{name: digits}", network: str = "{name: mlp}", how: str = "zero") -> Path:
    path.write_text(FILE.format(data=data, network=network, how=how))
    return path


def refused(result: Any, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_a_corrupt_image_is_named(growsearch: Run, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (8, 8), (i, 0, 0)).save(folder / f"{i}.png")
    (tmp_path / "images" / "train" / "dog" / "2.png").write_bytes(b"no image")
    file = write(tmp_path / "file.yaml", data=f"{{name: image_folder, root: {tmp_path / 'images'}}}")
    refused(growsearch("run", file, "--out", tmp_path / "out"), "2.png")


def test_a_model_that_cannot_be_traced_is_refused(
    growsearch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    file = write(tmp_path / "file.yaml", network="{name: 'bad_models:Failing'}")
    refused(growsearch("run", file, "--allow-import", "--out", tmp_path / "out"), "shapes")


def test_an_activation_that_is_not_zero_at_zero_is_refused_under_incoming_zero(growsearch: Run, tmp_path: Path) -> None:
    layers = "{layers: [flatten, {linear: {features: 6}}, sigmoid, {linear: {features: 10}}]}"
    file = write(tmp_path / "file.yaml", network=layers, how="{gradmax: {side: incoming}}")
    refused(growsearch("run", file, "--out", tmp_path / "out"), "is 0.5 at 0", "side: outgoing")


def test_a_selector_that_cannot_follow_the_network_is_refused_before_anything_runs(
    growsearch: Run, tmp_path: Path
) -> None:
    layers = "{layers: [flatten, {linear: {features: 6}}, sigmoid, {linear: {features: 10}}]}"
    file = write(tmp_path / "file.yaml", network=layers, how="zero\n  where: singular_value")
    refused(growsearch("run", file, "--out", tmp_path / "out"), "is 0.5 at 0")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_budget_below_the_seed_network_is_refused(growsearch: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "file.yaml")
    refused(
        growsearch("run", file, "--set", "growth.budget={parameters: 10}", "--out", tmp_path / "out"), "below the seed"
    )


def photos(root: Path) -> Path:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for i in range(6):
                Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(root / split / label / f"{i}.png")
    return root


def test_validate_looks_at_the_images(growsearch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "images")
    file = write(tmp_path / "file.yaml", data=f"{{name: image_folder, root: {root}}}")

    good = growsearch("validate", file)
    refused(growsearch("validate", file, "--set", "data.root=nowhere"), "nowhere", "does not exist")
    monkeypatch.setattr("growsearch.data.image_folder._TRIED", 5)
    some = growsearch("validate", file)
    monkeypatch.setattr("growsearch.data.image_folder._TRIED", 2000)
    (root / "train" / "dog" / "2.png").write_bytes(b"no image")
    refused(growsearch("validate", file), str(root / "train" / "dog" / "2.png"))
    for image in (root / "train" / "dog").iterdir():
        image.unlink()
    refused(growsearch("validate", file), str(root / "train" / "dog"), "has no images")

    assert good.exit_code == 0
    assert good.stdout.splitlines()[0].endswith("file.yaml: valid")
    assert "valid, but for what was not looked at: 7 of 12 images in" in " ".join(some.stdout.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.yaml", "images"]  # nothing is written


def test_validate_sets_every_policy_up(growsearch: Run, tmp_path: Path) -> None:
    layers = "{layers: [flatten, {linear: {features: 6}}, sigmoid, {linear: {features: 10}}]}"
    file = write(tmp_path / "file.yaml", network=layers, how="{gradmax: {side: incoming}}")

    refused(growsearch("validate", file), "is 0.5 at 0", "side: outgoing")


def test_validate_says_that_a_network_will_not_grow(growsearch: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "file.yaml")

    result = growsearch("validate", file, "--set", "growth.when={interval: {every: 1000, count: 2}}")

    assert result.exit_code == 0
    assert "warning: run will not grow: no event of 2 can fall within the run's 138 optimizer steps" in result.stdout

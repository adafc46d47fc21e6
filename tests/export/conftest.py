"""Trained networks of every kind, exported in every format, and what a fresh process makes of the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import growsearch
from growsearch.config import RunConfig
from growsearch.export import export_network
from growsearch.networks import build_network
from growsearch.runs.store import write_result
from growsearch.surgery import Insertion
from growsearch.training import load_network, run_one
from growsearch.training.artifact import NetworkDescription, save_network
from tests.runs.examples import RESULT

FORMATS = ("safetensors", "torch", "onnx")
OWN = """\
from torch import nn


class Own(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.branch = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Linear(channels, 10)

    def forward(self, images):
        features = self.stem(images).relu()
        return self.head((features + self.branch(features).relu()).mean((2, 3)))
"""
GROWTH = {
    "budget": {"width": 2.0},
    "when": {"interval": {"every": 3, "count": 2}},
    "how": {"random": {}},
    "statistics": {"batch_size": 16},
}
NEST = {
    "when": {"interval": {"every": 4}},
    "where": {"nest": {}},
    "how": {"nest": {"grow_events": 2, "density": 0.1, "trials": 2}},
    "budget": {"width": 1.0},
    "statistics": {"batch_size": 16},
}
RUNS: dict[str, dict[str, Any]] = {
    "mlp": {"network": {"name": "mlp", "hidden": [6]}, "growth": GROWTH},
    "cnn": {"network": {"name": "small_cnn", "channels": [3, 4], "norm": True}, "growth": GROWTH},
    "own": {"network": {"name": "own_network:Own", "channels": 3}, "growth": GROWTH, "allow_import": True},
    "nest": {"network": {"name": "mlp", "hidden": [24, 16]}, "growth": NEST},
}
RESIDUAL = {
    "layers": [
        {"conv": {"channels": 4, "padding": "same", "name": "stem"}},
        "relu",
        {"add": [[{"conv": {"channels": 4, "padding": "same"}}, "batch_norm", "relu"], []]},
        "global_average_pool",
        "linear",
    ]
}
CHILD = """
import json, sys
from pathlib import Path
import onnxruntime, torch
from safetensors.torch import load_file

def difference(run, case):
    return float((run(case["inputs"]) - case["expected"]).abs().max())

folder, found = Path(sys.argv[1]), {}
for name in sys.argv[2:]:
    case, out = load_file(folder / f"{name}.safetensors"), folder / name
    session = onnxruntime.InferenceSession(out / "model.onnx")
    found[name] = {
        "torch": difference(torch.export.load(out / "model.pt2").module(), case),
        "onnx": difference(lambda x: torch.from_numpy(session.run(["outputs"], {"inputs": x.numpy()})[0]), case),
    }
assert "growsearch" not in sys.modules
import growsearch
with torch.no_grad():
    for name in sys.argv[2:]:
        case = load_file(folder / f"{name}.safetensors")
        network = growsearch.load(folder / name, allow_import=name == "own")
        found[name]["safetensors"] = difference(network, case)
        if name == "nest":
            found[name]["sparse"] = difference(growsearch.load(folder / "sparse"), case)
print(json.dumps(found))
"""


def train(folder: Path, seed: int = 0, **sections: Any) -> None:
    """A few steps on digits, on the CPU."""
    plain = {
        "data": {"name": "digits"},
        "training": {"steps": 12, "batch_size": 16, "optimizer": {"name": "adamw", "lr": 0.02}},
    }
    run_one(RunConfig.model_validate(plain | sections), seed, folder, "cpu")


def grown_residual() -> tuple[nn.Module, list[Insertion]]:
    """A residual network that grew in width and by an identity layer, with random normalisation."""
    torch.manual_seed(0)
    model = build_network(RESIDUAL, (1, 8, 8), 10)
    images = torch.randn(8, 1, 8, 8)
    growsearch.grow(model, images, {"stem": 2}, "random")
    deeper = growsearch.grow(model, images, {"relu_1": 1}, "identity")
    model.train()(images)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval(), [edit for edit in deeper.edits if isinstance(edit, Insertion)]


def save_residual(folder: Path) -> nn.Module:
    """The folder of a finished run with that network."""
    model, insertions = grown_residual()
    folder.mkdir(parents=True)
    described = NetworkDescription(network=RESIDUAL, input_shape=[1, 8, 8], outputs=10, insertions=insertions)
    save_network(folder, model, described)
    write_result(folder, replace(RESULT, seed=0))
    return model


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the finished runs by name, laid out as a comparison's."""
    place = tmp_path_factory.mktemp("networks")
    (place / "own_network.py").write_text(OWN)
    sys.path.insert(0, str(place))
    for name, sections in RUNS.items():
        train(place / "run" / name / "seed-0", **sections)
    save_residual(place / "run" / "residual" / "seed-0")
    yield place / "run"
    sys.path.remove(str(place))


@pytest.fixture(scope="session")
def differences(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """By network and format, how far the outputs in a fresh process are from those here."""
    place = tmp_path_factory.mktemp("exports")
    names = [*RUNS, "residual"]
    for name in names:
        folder = trained / name / "seed-0"
        export_network(folder, FORMATS, place / name, allow_import=name == "own")
        inputs = torch.randn(7, 1, 8, 8)
        with torch.no_grad():
            expected = load_network(folder, allow_import=name == "own")(inputs)
        save_file({"inputs": inputs, "expected": expected}, place / f"{name}.safetensors")
    export_network(trained / "nest" / "seed-0", out=place / "sparse", sparse=True)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(place), *names],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(trained.parent), *sys.path])},
    )
    assert child.returncode == 0, child.stderr
    found: dict[str, dict[str, float]] = json.loads(child.stdout)
    return found

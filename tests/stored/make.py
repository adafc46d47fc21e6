"""Write what this version saves, for later versions to load: `python -m tests.stored.make`, once a format changes.

Each folder of `tests/stored` is named after a format; what is there stays as the version that had it wrote it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import growsearch
from growsearch.config import RunConfig
from growsearch.training import TrainingRun, run_one
from growsearch.training.checkpoint import VERSION
from growsearch.training.saving import FORMAT

HERE = Path(__file__).parent
SAVED, RUN, NETWORK = HERE / FORMAT.replace(" ", "-"), HERE / f"run-{VERSION}", HERE / "network"
STOPPED = 14  # steps, after the first of two events
CONFIG: dict[str, Any] = {
    "data": {"name": "teacher_student", "inputs": 4, "hidden": 6, "outputs": 3, "samples": 50},
    "network": {"name": "mlp", "hidden": [3, 3]},
    "training": {"steps": 24, "batch_size": 20, "optimizer": {"name": "adamw", "lr": 0.05}, "rows": 4},
    "growth": {
        "when": {"schedule": {"steps": [8, 16]}},
        "where": {"round_robin": {}},
        "how": {"random": {}},
        "budget": {"units": 4},
        "amount": 0.5,
    },
}


def seed_network() -> nn.Sequential:
    """4 - 3 - 3."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


def inputs() -> Tensor:
    """`[5, 4]`."""
    return torch.arange(20.0).reshape(5, 4) / 10 - 1


def training(model: nn.Module) -> tuple[torch.optim.Optimizer, growsearch.Grower]:
    """What trains it, made as for a new training."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    batch = (inputs(), inputs()[:, :3])
    return optimizer, growsearch.Grower(
        model, optimizer, batch[0], objective=objective, batches=[batch], when={"interval": {"every": 3, "count": 3}},
        how="random", budget={"units": 6}, report=None,
    )  # fmt: skip


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error."""
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def train(model: nn.Module, optimizer: torch.optim.Optimizer, grower: growsearch.Grower, steps: int) -> None:
    """Train on one batch."""
    for _ in range(steps):
        objective(model, (inputs(), inputs()[:, :3])).backward()
        optimizer.step()
        optimizer.zero_grad()
        grower.step()


def main() -> None:
    """Write all three, but for those that are there."""
    torch.set_num_threads(1)
    if not SAVED.exists():
        SAVED.mkdir()
        model = seed_network()
        optimizer, grower = training(model)
        train(model, optimizer, grower, 7)
        growsearch.save(SAVED / "grown.pt", model, optimizer, grower)
        expected = {"outputs": model(inputs()).tolist(), "step": 7, "width": 3 + 4}
        (SAVED / "expected.json").write_text(json.dumps(expected))
    config = RunConfig.model_validate(CONFIG)
    if not RUN.exists():
        RUN.mkdir()
        run = TrainingRun(config, 0, RUN, "cpu", lambda event: None)
        run.train(STOPPED)
        run.save()
        run.close()
    if not NETWORK.exists():
        finished = HERE / "finished"
        run_one(config, 0, finished, "cpu")
        NETWORK.mkdir()
        for name in ("network.json", "model.safetensors"):
            shutil.copy(finished / name, NETWORK / name)
        expected = {"outputs": growsearch.load(NETWORK)(inputs()).tolist()}
        (NETWORK / "expected.json").write_text(json.dumps(expected))
        shutil.rmtree(finished)


if __name__ == "__main__":
    main()

"""The training loop beside one written by hand, on the same data path."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from growsearch.config.run_config import RunConfig, normalized
from growsearch.training.loop import TrainingRun
from growsearch.training.setup import set_up

from .measures import Pair, Row, both_clocks

STEPS = 100


def _config() -> RunConfig:
    return normalized(
        {
            "data": {"name": "digits"},
            "network": {"name": "small_cnn", "channels": [16, 32, 64]},
            "training": {
                "steps": STEPS + 2,
                "rows": 1,
                "batch_size": 64,
                "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
                "precision": "float32",
            },
        }
    )


def _by_hand() -> tuple[float, float]:
    setup = set_up(_config(), 0, "cpu")
    model, optimizer, criterion = setup.model, setup.optimizer, setup.criterion

    def train(steps: int = STEPS) -> None:
        step = 0
        while step < steps:
            for inputs, targets in setup.batches:
                optimizer.zero_grad()
                torch.autograd.backward(criterion(model(inputs), targets))
                optimizer.step()
                step += 1
                if step == steps:
                    break

    train(1)  # the first step of an optimizer imports torch's compiler
    return both_clocks(train)


def _ours() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(_config(), 0, Path(folder), "cpu", lambda event: None)
        run.train(1)
        return both_clocks(lambda: run.train(1 + STEPS))  # the last step, which evaluates, is left out


def _pair() -> Pair:
    hand, ours = _by_hand(), _ours()
    return {"value": ours[1] / hand[1], "wall": ours[0] / hand[0], "by_hand": hand[1], "ours": ours[1]}


ROWS = (Row("training", "training loop over one written by hand, same data path", "x", 1.03, _pair),)

"""The training loop beside one written by hand, on the same data path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from growsearch.config.run_config import RunConfig, normalized
from growsearch.training.loop import TrainingRun
from growsearch.training.setup import set_up

from .measures import Pair, Row, both_clocks

STEPS, PARTS = 20, 20


def _config() -> RunConfig:
    return normalized(
        {
            "data": {"name": "digits"},
            "network": {"name": "small_cnn", "channels": [16, 32, 64]},
            "training": {
                "steps": STEPS * PARTS + 2,  # the last one, which evaluates, is left out
                "rows": 1,
                "batch_size": 64,
                "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
                "precision": "float32",
            },
        }
    )


class _ByHand:
    """A loop as a user writes it."""

    def __init__(self) -> None:
        self.setup = set_up(_config(), 0, "cpu")
        self._batches = self._endless()

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.setup.batches

    def train(self, steps: int) -> None:
        model, optimizer, criterion = self.setup.model, self.setup.optimizer, self.setup.criterion
        for inputs, targets in islice(self._batches, steps):
            optimizer.zero_grad()
            torch.autograd.backward(criterion(model(inputs), targets))
            optimizer.step()


def _pair() -> Pair:
    """Parts of both in turn: a shared machine is slower now and then."""
    hand = _ByHand()
    with tempfile.TemporaryDirectory() as folder:
        ours = TrainingRun(_config(), 0, Path(folder), "cpu", lambda event: None)
        hand.train(1)  # the first step of an optimizer imports torch's compiler
        ours.train(1)
        found = []
        for part in range(PARTS):
            by_hand = both_clocks(lambda: hand.train(STEPS))
            found.append((by_hand, both_clocks(lambda part=part: ours.train(1 + (part + 1) * STEPS))))  # type: ignore[misc]
    wall, processor = ([(one[clock], two[clock]) for one, two in found] for clock in (0, 1))
    return {
        "value": median(two / one for one, two in processor),
        "wall": median(two / one for one, two in wall),
        "by_hand": sum(one for one, _ in processor),
        "ours": sum(two for _, two in processor),
    }


ROWS = (Row("training", "training loop over one written by hand, same data path", "x", 1.03, _pair),)

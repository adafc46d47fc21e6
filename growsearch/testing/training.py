"""A training run with growth, that can be saved, resumed and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD

from growsearch.growth import Grower, GrowthEvent
from growsearch.testing.subjects import Subject, objective
from growsearch.training.saving import load, save


class GrowingRun:
    """`subject` trained by SGD with momentum and grown by a policy; batches depend on the step alone."""

    def __init__(self, subject: Subject, **policy: Any) -> None:
        self.subject = subject
        self.model = subject.model()
        self.optimizer = SGD(self.model.named_parameters(), lr=0.02, momentum=0.9)
        inputs = subject.batch()[0]
        statistics = [subject.batch(seed) for seed in range(100, 108)]
        settings = {"objective": objective, "batches": statistics, "when": {"interval": {"every": 2}}}
        self.grower = Grower(self.model, self.optimizer, inputs, **{**settings, **policy})

    def train(self, steps: int) -> list[GrowthEvent]:
        """Optimizer steps, each followed by `grower.step()`; the events that grew or were refused."""
        events = []
        for _ in range(steps):
            self.advance()
            event = self.grower.step()
            events += [event] if event is not None else []
        return events

    def advance(self) -> None:
        """Take one optimizer step, without growing."""
        self.optimizer.zero_grad()
        torch.autograd.backward(objective(self.model, self.subject.batch(self.grower.progress.step)))
        self.optimizer.step()
        # Schedulers that wait for progress to stop get what they wait for.
        self.grower.report(**{self.grower.policy.when.reads() or "validation_accuracy": 0.5})

    def save(self, path: Path) -> None:
        """All of it in one file."""
        save(path, model=self.model, optimizer=self.optimizer, grower=self.grower)

    def load(self, path: Path) -> None:
        """Go on where `save` was called; this run must be a new one."""
        load(path, model=self.model, optimizer=self.optimizer, grower=self.grower)

    def state(self) -> dict[str, Any]:
        """Everything that another run has to equal."""
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "grower": self.grower.state_dict(),
        }


def resumed(after: int, steps: int, file: Path, subject: Subject, **policy: Any) -> GrowingRun:
    """A run that is stopped after `after` of `steps` and goes on in a new process, as far as one process can tell.

    Args:
        after: steps before it is stopped.
        steps: in all.
        file: for the checkpoint.
        subject: the network.
    """
    first = GrowingRun(subject, **policy)
    first.train(after)
    first.save(file)
    torch.manual_seed(123)  # a new process starts with another state of the global generator
    second = GrowingRun(subject, **policy)
    second.load(file)
    second.train(steps - after)
    return second


def same(one: Any, other: Any) -> bool:
    """Whether nested plain data and tensors are equal bit for bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)

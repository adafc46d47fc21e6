"""Law 6: the same seed grows the same network, and a run killed and resumed equals the uninterrupted one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD

import growsearch
from growsearch import Grower
from growsearch.registry import names
from tests.growth.tasks import cnn, grower_for, mlp, same, train
from tests.laws.settings import cheap, hows

STEPS = 6


@dataclass
class Run:
    """A training run with growth after steps 2, 4 and 6, and all that a checkpoint of it holds."""

    build: Callable[[], nn.Module]
    policy: dict[str, Any]

    def start(self) -> None:
        self.log: list[dict[str, Any]] = []
        self._around(self.build())

    def resume(self, saved: Path) -> None:
        self._around(self.build())
        growsearch.load(saved, self.model, self.optimizer, self.grower)

    def save(self, file: Path) -> None:
        growsearch.save(file, self.model, self.optimizer, self.grower)

    def train(self, steps: int) -> None:
        for event in train(self.model, self.optimizer, self.grower, steps):
            self.log.append({k: v for k, v in event.to_json().items() if k != "seconds"})

    def result(self) -> dict[str, Any]:
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "grower": self.grower.state_dict(),
            "log": self.log,
        }

    def _around(self, model: nn.Module) -> None:
        self.model = model
        self.optimizer = SGD(model.named_parameters(), lr=0.05, momentum=0.9)
        self.grower: Grower = grower_for(model, self.optimizer, **self.policy)


def uninterrupted(run: Run) -> dict[str, Any]:
    run.start()
    run.train(STEPS)
    return run.result()


def killed(run: Run, after: int, file: Path) -> dict[str, Any]:
    run.start()
    run.train(after)
    run.save(file)
    # What a new process starts with is another state of the global generator.
    torch.manual_seed(after)
    run.resume(file)
    run.train(STEPS - after)
    return run.result()


def policies(group: str) -> list[tuple[str, str]]:
    """Each strategy of one group with one of the other that draws or remembers something."""
    if group == "how":
        return [("random", how) for how in hows()]
    return [(where, "random") for where in names("where")]


ALL = list(dict.fromkeys(policies("how") + policies("where")))


def run_of(where: str, how: str, build: Callable[[], nn.Module], seed: int = 0) -> Run:
    policy = {"when": {"interval": {"every": 2}}, "where": cheap("where", where), "how": cheap("how", how)}
    return Run(build, {**policy, "amount": 0.5, "seed": seed})


@pytest.mark.parametrize(("where", "how"), ALL)
def test_a_run_is_repeated_and_resumed_right_after_a_growth_bit_for_bit(where: str, how: str, tmp_path: Path) -> None:
    """`growsearch.testing` resumes between two growths, and has more networks."""
    run = run_of(where, how, cnn)
    expected = uninterrupted(run)
    assert len(expected["log"]) == 3

    torch.manual_seed(123)
    again = killed(run, 4, tmp_path / "saved.pt")

    assert same(again, expected)


@pytest.mark.parametrize("when", names("when"))
def test_schedulers_go_on_where_they_were(when: str, tmp_path: Path) -> None:
    run = Run(mlp, {"when": cheap("when", when), "how": "random", "amount": 0.5, "total_steps": STEPS + 1})

    def reported(steps: int) -> None:
        for _ in range(steps):
            run.grower.report(validation_accuracy=0.5, validation_loss=0.5)
            run.train(1)

    run.start()
    reported(STEPS)
    expected = run.result()
    for after in range(1, STEPS):
        run.start()
        reported(after)
        run.save(tmp_path / "saved.pt")
        run.resume(tmp_path / "saved.pt")
        reported(STEPS - after)
        assert same(run.result(), expected), after


@pytest.mark.parametrize("how", [name for name in hows() if name in ("random", "zero", "split")])
def test_another_seed_grows_another_network(how: str) -> None:
    """Negative control: what is compared does depend on the seed, and on a state that is lost."""
    one, other = (uninterrupted(run_of("random", how, mlp, seed)) for seed in (0, 1))
    assert not same(one["model"], other["model"])
    run = run_of("random", how, mlp)
    run.start()
    run.train(3)
    run.grower.generator.manual_seed(7)
    run.train(STEPS - 3)
    assert not same(run.result()["model"], one["model"])

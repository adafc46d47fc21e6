"""Runs that several processes train together: equal to one process, whatever happens to one of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.runs.events import Progress, RunEvent
from growsearch.runs.layout import CHECKPOINT, WEIGHTS
from growsearch.runs.store import read_growth, read_rows
from growsearch.testing.training import same
from growsearch.training import TrainingDiverged, TrainingRun, run_one
from growsearch.training.batch_norm import GlobalBatchNorm
from growsearch.training.processes import RankFailed, run_in_ranks
from growsearch.training.setup import Setup
from growsearch.training.several_devices import require_shared
from growsearch.training.world import World

Make = Callable[..., RunConfig]

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
GROWING = {"when": {"interval": {"every": 8, "count": 2}}, "how": {"gradmax": {"scale": 0.5}}, "budget": {"units": 4}}
# 50 samples in batches of 17: the last ones of an epoch are 16, and no batch is divided evenly.
UNEVEN = {"steps": 24, "batch_size": 17, "rows": 4, "optimizer": SGD}


class Normed(nn.Sequential):
    """With batch normalisation, and dropout where asked."""

    def __init__(self, dropout: float) -> None:
        super().__init__(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(dropout), nn.Linear(6, 3))


def network(dropout: float = 0.0) -> nn.Module:
    """What the tests' files name."""
    return Normed(dropout)


def idle() -> nn.Module:
    """A network with a layer that is never used."""
    model = Normed(0.0)
    model[4].register_module("idle", nn.Linear(2, 2))
    return model


def synchronised() -> nn.Module:
    """A network with torch's own normalisation over all devices."""
    return nn.Sequential(nn.Linear(4, 3), nn.SyncBatchNorm(3))


def tracked() -> nn.Module:
    """A network with running statistics of instances."""
    return nn.Sequential(nn.Unflatten(1, (2, 2)), nn.InstanceNorm1d(2, track_running_stats=True), nn.Flatten(1))


class Unlucky(nn.Sequential):
    """Its process `rank` does something at its tenth training step, while there is a file of that name."""

    def __init__(self, marker: str, rank: int, what: str) -> None:
        super().__init__(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        self.marker, self.rank, self.what, self.steps = marker, rank, what, 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.steps += self.training and inputs.device.type != "meta" and dist.is_initialized()
        if self.steps == 14 and dist.get_rank() == self.rank and os.path.exists(self.marker):
            if self.what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("no more of this")
        outputs: Tensor = super().forward(inputs)
        return outputs


def unlucky(marker: str, rank: int, what: str) -> nn.Module:
    """What the tests' files name."""
    return Unlucky(marker, rank, what)


def imported(make: Make, name: str, growth: Mapping[str, Any] | None = None, **parameters: Any) -> RunConfig:
    """A configuration with a network of this file."""
    spec = {"name": f"{__name__}:{name}", **parameters}
    config = make(network=spec, training=UNEVEN, growth=growth or {})
    return config.model_copy(update={"allow_import": True})


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.plain().items() if key != "seconds"} for row in read_rows(folder)]


def close(one: Any, other: Any) -> bool:
    return bool(one == pytest.approx(other, rel=2e-5, abs=1e-7))


CONFIGS: dict[str, Callable[[Make], RunConfig]] = {
    "grows": lambda make: make(training=UNEVEN, growth=GROWING),
    "clipped": lambda make: make(training={**UNEVEN, "clip": 0.1}),
    "batch normalisation": lambda make: imported(make, "network", GROWING),
    "a layer that is not used": lambda make: imported(make, "idle"),
    "growth by FLOPs": lambda make: make(
        training={"flops": 2e5, "batch_size": 10, "rows": 4, "optimizer": SGD}, growth=GROWING
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_train_what_one_does(name: str, student: Make, tmp_path: Path) -> None:
    config = CONFIGS[name](student)

    one = run_one(config, 0, tmp_path / "one", "cpu")
    two = run_one(config, 0, tmp_path / "two", "cpu", devices=2)

    assert (one.devices, two.devices, two.threads) == (1, 2, 1)
    assert (two.steps, two.training_flops, two.growth_events) == (one.steps, one.training_flops, one.growth_events)
    assert two.parameters == one.parameters and two.widths == one.widths and two.growth_flops == one.growth_flops
    assert close(two.metrics["test_loss"], one.metrics["test_loss"])
    for row, like in zip(rows_of(tmp_path / "two"), rows_of(tmp_path / "one"), strict=True):
        assert row.keys() == like.keys() and all(close(row[key], like[key]) for key in row)
    events = [
        [(line.step, line.sites, line.parameters_after) for line in read_growth(tmp_path / each)]
        for each in ("one", "two")
    ]
    assert events[0] == events[1] and len(events[0]) == (2 if config.growth.grows else 0)


@dataclass(frozen=True)
class Partly:
    """Train up to a step and leave a checkpoint; the network and the optimizer of every process."""

    config: RunConfig
    folder: Path
    until: int

    def __call__(self, world: World, device: str, progress: Progress) -> list[dict[str, Any]]:
        self.folder.mkdir(exist_ok=True)
        run = TrainingRun(self.config, 0, self.folder, device, progress, world=world)
        run.train(self.until)
        run.save()
        run.close()
        setup = run.setup
        return world.everywhere(
            {
                "network": setup.model.state_dict(),
                "optimizer": setup.optimizer.state_dict(),
                "grower": setup.grower.state_dict() if setup.grower else None,
                "recoveries": run._recoveries.state_dict(),
                "counters": {**vars(run.counters), "seconds": 0.0, "growth_seconds": 0.0},
            }
        )


def told(event: RunEvent) -> None:
    """Nobody."""


def test_all_processes_hold_the_same_bits(student: Make, tmp_path: Path) -> None:
    config = imported(student, "network", GROWING, dropout=0.2)

    states = run_in_ranks(Partly(config, tmp_path / "run", 20), 3, "cpu", 1, told)

    assert len(states) == 3 and states[0]["network"]["1.running_mean"].abs().sum() > 0
    assert same(states[0], states[1]) and same(states[0], states[2])


def test_a_resumed_run_is_the_same_to_the_bit(student: Make, tmp_path: Path) -> None:
    config = imported(student, "network", GROWING, dropout=0.2)
    whole = run_one(config, 0, tmp_path / "whole", "cpu", devices=2)
    run_in_ranks(Partly(config, tmp_path / "cut", 12), 2, "cpu", 1, told)

    again = run_one(config, 0, tmp_path / "cut", "cpu", devices=2)

    assert again.metrics == whole.metrics and again.steps == whole.steps
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert not (tmp_path / "cut" / CHECKPOINT).exists()


@pytest.mark.parametrize("devices", [1, 3])
def test_a_run_goes_on_with_another_number_of_devices(devices: int, student: Make, tmp_path: Path) -> None:
    config = CONFIGS["grows"](student)
    whole = run_one(config, 0, tmp_path / "whole", "cpu")
    run_in_ranks(Partly(config, tmp_path / "cut", 12), 2, "cpu", 1, told)

    again = run_one(config, 0, tmp_path / "cut", "cpu", devices=devices)

    assert again.devices == devices and again.steps == whole.steps
    assert close(again.metrics["test_loss"], whole.metrics["test_loss"])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run_which_goes_on_from_its_checkpoint(
    rank: int, student: Make, tmp_path: Path
) -> None:
    marker, folder = tmp_path / "marker", tmp_path / "cut"
    config = imported(student, "unlucky", marker=str(marker), rank=rank, what="die")
    whole = run_one(config, 0, tmp_path / "whole", "cpu", devices=2)
    run_in_ranks(Partly(config, folder, 10), 2, "cpu", 1, told)
    marker.touch()

    with pytest.raises(RankFailed, match=f"^rank {rank} of 2 died .killed by SIGKILL, perhaps because memory ran out"):
        run_one(config, 0, folder, "cpu", devices=2)

    assert multiprocessing.active_children() == []
    marker.unlink()
    assert run_one(config, 0, folder, "cpu", devices=2).metrics == whole.metrics
    assert rows_of(folder) == rows_of(tmp_path / "whole")


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_one_process_is_told_with_its_rank(rank: int, student: Make, tmp_path: Path) -> None:
    (tmp_path / "marker").touch()
    config = imported(student, "unlucky", marker=str(tmp_path / "marker"), rank=rank, what="raise")

    with pytest.raises(RankFailed) as caught:
        run_one(config, 0, tmp_path / "run", "cpu", devices=2)

    assert str(caught.value).startswith(f"rank {rank} of 2 failed, which ends the run in all of them: ValueError: no ")
    assert "no more of this" in str(caught.value.__cause__) and "forward" in str(caught.value.__cause__)
    assert multiprocessing.active_children() == []


def test_an_error_of_the_training_is_that_of_one_process(student: Make, tmp_path: Path) -> None:
    config = student(training={**UNEVEN, "optimizer": {"name": "sgd", "lr": 1e9}})

    with pytest.raises(TrainingDiverged, match="lower the learning rate"):
        run_one(config, 0, tmp_path, "cpu", devices=2)


def test_a_watcher_that_raises_ends_all_processes(student: Make, tmp_path: Path) -> None:
    def interrupt(event: RunEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(CONFIGS["grows"](student), 0, tmp_path, "cpu", interrupt, devices=2)

    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("name", "message"), [("synchronised", "is a SyncBatchNorm"), ("tracked", "running statis")])
def test_layers_that_cannot_be_shared_are_refused(name: str, message: str, student: Make) -> None:
    setup = SimpleNamespace(config=student(), data=SimpleNamespace(train=range(50)), model=globals()[name]())

    require_shared(cast("Setup", setup), 1)
    with pytest.raises(InputError, match=message):
        require_shared(cast("Setup", setup), 2)


SAMPLES = (5, 0, 3)  # of three processes, one of which has none


@dataclass(frozen=True)
class BatchNorm:
    """Gradients and statistics of a layer, of the batches of all processes or of each alone."""

    together: bool

    def __call__(self, world: World, device: str, progress: Progress) -> list[dict[str, Tensor]]:
        start = sum(SAMPLES[: world.rank])
        own = slice(start, start + SAMPLES[world.rank])
        with GlobalBatchNorm() if self.together else nullcontext():
            return world.everywhere(normed(own))


def normed(own: slice) -> dict[str, Tensor]:
    layer = nn.BatchNorm2d(2).double()
    generator = torch.Generator().manual_seed(0)
    inputs, wish = torch.randn(2, 8, 2, 3, 3, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 2.0]))
        layer.bias.copy_(torch.tensor([0.1, -0.2]))
    part = inputs[own].clone().requires_grad_()
    outputs = layer(part)
    (outputs * wish[own]).pow(3).sum().backward()
    assert part.grad is not None and layer.weight.grad is not None and layer.bias.grad is not None
    return {
        "outputs": outputs.detach(),
        "inputs": part.grad,
        "weight": layer.weight.grad,
        "bias": layer.bias.grad,
        "mean": layer.running_mean.clone(),
        "variance": layer.running_var.clone(),
    }


def test_batch_normalisation_sees_the_batches_of_all() -> None:
    one = normed(slice(0, 8))

    found = run_in_ranks(BatchNorm(True), 3, "cpu", 1, told)

    for key in ("outputs", "inputs"):
        torch.testing.assert_close(torch.cat([each[key] for each in found]), one[key], rtol=1e-10, atol=1e-12)
    for key in ("weight", "bias"):
        torch.testing.assert_close(sum(each[key] for each in found), one[key], rtol=1e-10, atol=1e-12)
    for key in ("mean", "variance"):
        assert all(torch.equal(each[key], found[0][key]) for each in found)
        torch.testing.assert_close(found[0][key], one[key], rtol=1e-10, atol=1e-12)


def test_batch_normalisation_of_each_alone_is_another_one() -> None:
    found = run_in_ranks(BatchNorm(False), 3, "cpu", 1, told)

    assert not torch.allclose(found[0]["mean"], normed(slice(0, 8))["mean"])


def test_outside_of_training_batch_normalisation_is_as_ever() -> None:
    inputs = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    mean, variance = torch.tensor([0.5, 1.0]), torch.tensor([2.0, 3.0])

    with GlobalBatchNorm():
        found = F.batch_norm(inputs, mean, variance)

    assert torch.equal(found, F.batch_norm(inputs, mean, variance))


@dataclass(frozen=True)
class Sleeping:
    """Say that it is there, and wait for another process that never comes."""

    folder: Path

    def __call__(self, world: World, device: str, progress: Progress) -> None:
        (self.folder / f"{world.rank}.tmp").write_text(str(os.getpid()))
        (self.folder / f"{world.rank}.tmp").rename(self.folder / f"{world.rank}.pid")
        if world.leads:
            world.agreed(True)
            time.sleep(1000)
        while True:
            world.agreed(True)


ALIVE = """
from pathlib import Path
from tests.training.test_devices import Sleeping, told
from growsearch.training.processes import run_in_ranks

run_in_ranks(Sleeping(Path({folder!r})), 2, "cpu", 1, told)
"""


def test_no_process_outlives_a_command_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALIVE.format(folder=str(tmp_path))]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True) as parent:
        pids = [int(awaited(tmp_path / f"{rank}.pid", parent).read_text()) for rank in range(2)]
        assert all(map(lives, pids))

        parent.kill()

    for pid in pids:
        waited(lambda pid=pid: not lives(pid))


def awaited(path: Path, parent: subprocess.Popen[str]) -> Path:
    waited(lambda: path.exists() or parent.poll() is not None)
    assert path.exists(), parent.communicate()
    return path


def waited(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False

"""Two or more processes that train one network and grow it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # once, and not in every process
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from growsearch import Grower
from growsearch.testing.subjects import objective
from tests.growth.tasks import mlp, sgd

ROWS = 24
STEPS = 6

Wrap = Callable[[nn.Module], Any]


def network() -> nn.Sequential:
    return mlp(act=nn.Tanh).double()


def batch(seed: int, rank: int = 0, size: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """The share of a process of a global batch, all of it for one process."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(ROWS, 3, generator=generator, dtype=torch.float64)
    own = ROWS // size
    return x[rank * own : (rank + 1) * own], y[rank * own : (rank + 1) * own]


class Training:
    """A user's own loop, of one process or of one among several."""

    def __init__(self, rank: int = 0, size: int = 1, wrap: Wrap | None = None, **policy: Any) -> None:
        self.rank, self.size = rank, size
        self.network = network()
        self.model = self.network if wrap is None else wrap(self.network)
        self.optimizer = sgd(self.model)
        statistics = [batch(seed, rank, size) for seed in range(100, 108)]
        settings: dict[str, Any] = {
            "objective": objective,
            "batches": statistics,
            "when": {"interval": {"every": 2}},
            "report": None,
        }
        inputs = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
        self.grower = Grower(self.model, self.optimizer, inputs, **{**settings, **policy})
        self.events: list[dict[str, Any] | None] = []

    def train(self, steps: int = STEPS, **reported: float) -> Training:
        for _ in range(steps):
            self.optimizer.zero_grad()
            objective(self.model, batch(self.grower.progress.step, self.rank, self.size)).backward()
            self.optimizer.step()
            self.grower.report(**reported)
            event = self.grower.step()
            if event is not None:
                self.events.append({**event.to_json(), "seconds": 0.0})
        return self

    def outcome(self) -> dict[str, Any]:
        """Everything that has to be the same in all processes."""
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "grower": self.grower.state_dict(),
            "events": self.events,
        }


def ranks(size: int, work: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """What `work(rank, size, *arguments)` gives in each of `size` processes; an error of one is raised here."""
    # A server without threads, which has imported all this: a fork of the tests' own process may wait for its threads.
    mp.get_context("forkserver").set_forkserver_preload(["tests.growth.ranks"])
    mp.start_processes(_process, (size, work, str(folder), arguments), nprocs=size, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def _process(rank: int, size: int, work: Callable[..., Any], folder: str, arguments: tuple[Any, ...]) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = dist.FileStore(f"{folder}/store", size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    try:
        torch.save(work(rank, size, *arguments), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def trained(rank: int, size: int, policy: dict[str, Any]) -> dict[str, Any]:
    """A whole training in one of several processes."""
    return Training(rank, size, DistributedDataParallel, **policy).train().outcome()

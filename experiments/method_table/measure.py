"""What each method works with, and what one growth step costs: measured, not claimed.

    uv run python experiments/method_table/measure.py [INITIALIZER ...]

All of them, or beside what is known already those that are named. Every initializer grows three small networks once
(batch normalisation, a residual stream, a depthwise convolution),
with `where: uniform`; every differentiable size trains them for a few steps and is then made compact. For the cost,
each initializer grows a VGG11 of a quarter of its width by a quarter of its units, on 128 random images of 3 x 32 x 32:
median seconds of three events over the median seconds of a training step of the network before. One thread. What copies
blocks grows chains of three such blocks instead, and for the cost a GPT of two blocks of 64 features, on 32 windows of
64 tokens. Writes results.json; `table.py` makes docs/methods.md from it and from what the strategies say of themselves.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import Grower, GrowsearchError
from growsearch.growth import SoftGrower
from growsearch.growth.policy import Policy
from growsearch.networks import build_network
from growsearch.registry import names

HERE = Path(__file__).parent
Batch = tuple[Tensor, Tensor]


class Residual(nn.Module):
    """A residual stream that grows, and a block inside it that does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.outer, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.head(F.relu(x + self.outer(F.relu(self.inner(x)))).mean((2, 3)))


def batch_norm() -> nn.Module:
    convolutions = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def depthwise() -> nn.Module:
    convolutions = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1)]
    return nn.Sequential(*convolutions, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


class Block(nn.Module):
    """A residual block, with a batch normalisation or a depthwise convolution in it or neither."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.outer = inner, nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(F.relu(self.inner(x)))


def chain(inner: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """What builds a chain of three blocks."""

    def build() -> nn.Module:
        blocks = nn.Sequential(*(Block(inner()) for _ in range(3)))
        return nn.Sequential(nn.Conv2d(3, 8, 3), blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))

    return build


CHAINS: dict[str, Callable[[], nn.Module]] = {
    "batch_norm": chain(lambda: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))),
    "residual": chain(lambda: nn.Conv2d(8, 8, 3, padding=1)),
    "depthwise": chain(lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8)),
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "batch_norm": batch_norm,
    "residual": Residual,
    "depthwise": depthwise,
}


def objective(model: nn.Module, batch: Batch) -> Tensor:
    outputs = model(batch[0])
    return F.cross_entropy(outputs.flatten(0, -2), batch[1].flatten())


def stacks(how: str) -> bool:
    """Whether it copies blocks."""
    return Policy.of("never", "uniform", how).how.stacks()


def grower_for(model: nn.Module, batch: Batch, how: str, amount: float | None) -> Grower:
    return Grower(
        model,
        torch.optim.SGD(model.parameters(), 0.05, momentum=0.9),
        batch[0][:4],
        objective=objective,
        batches=[batch] * 8,
        when={"schedule": {"steps": [1]}},
        where="uniform",
        how=how,
        amount=amount,
    )


def grows(how: str, build: Callable[[], nn.Module]) -> str:
    """ "yes", or why not."""
    torch.manual_seed(0)
    model, batch = build(), (torch.randn(32, 3, 12, 12), torch.randint(4, (32,)))
    try:
        event = grower_for(model, batch, how, None if stacks(how) else 0.5).step()
    except GrowsearchError as error:
        return str(error)
    return "nothing to add" if event is None else event.refused or "yes"


def sizes(soft: str, build: Callable[[], nn.Module]) -> str:
    """ "yes" if the network trains under gates and its compact form is left, or why not."""
    torch.manual_seed(0)
    model, batch = build(), (torch.randn(32, 3, 12, 12), torch.randint(4, (32,)))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    try:
        grower = SoftGrower(model, optimizer, batch[0][:4], soft)
        for _ in range(5):
            (objective(model, batch) + grower.penalty()).backward()
            optimizer.step()
            optimizer.zero_grad()
            grower.step()
        grower.compact()
    except GrowsearchError as error:
        return str(error)
    return "yes"


def cost(how: str) -> float:
    """Seconds of an event over seconds of a training step."""
    steps, events = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        if stacks(how):
            model = build_network({"name": "gpt", "depth": 2, "embedding": 64, "heads": 2}, (64,), 64)
            batch = (torch.randint(64, (32, 64)), torch.randint(64, (32, 64)))
        else:
            model = build_network({"name": "vgg11", "width": 0.25}, (3, 32, 32), 10)
            batch = (torch.randn(128, 3, 32, 32), torch.randint(10, (128,)))
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        for _ in range(4):
            started = time.perf_counter()
            objective(model, batch).backward()
            optimizer.step()
            optimizer.zero_grad()
            steps.append(time.perf_counter() - started)
        grower = grower_for(model, batch, how, None if stacks(how) else 0.25)
        started = time.perf_counter()
        event = grower.step()
        if event is None or event.refused is not None:
            raise SystemExit(f"{how} did not grow: {event}")
        events.append(time.perf_counter() - started)
    return statistics.median(events) / statistics.median(steps)


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names_found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names_found[0] if names_found else platform.processor()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    return {"processor": processor, "cores": os.cpu_count(), "torch": torch.__version__, "commit": commit.strip()}


def main() -> None:
    torch.set_num_threads(1)
    named = sys.argv[1:]
    found: dict[str, Any] = {"machine": machine(), "how": {}, "soft": {}}
    if named:
        found = json.loads((HERE / "results.json").read_text())
    for how in named or names("how"):
        networks = CHAINS if stacks(how) else NETWORKS
        found["how"][how] = {
            "works": {name: grows(how, build) for name, build in networks.items()},
            "cost": round(cost(how), 1),
        }
        print(how, found["how"][how], flush=True)
    for soft in () if named else names("soft"):
        found["soft"][soft] = {"works": {name: sizes(soft, build) for name, build in NETWORKS.items()}}
        print(soft, found["soft"][soft], flush=True)
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

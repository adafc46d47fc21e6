"""What growth events cost: in training steps of the same network, and beside gromo."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch

from experiments.method_table.measure import grower_for, objective
from growsearch.networks import build_network

from .measures import Pair, Row, both_clocks

STEPS = 8


def _in_steps(how: str) -> Callable[[], Pair]:
    def pair() -> Pair:
        torch.manual_seed(0)
        model = build_network({"name": "vgg11", "width": 0.25}, (3, 32, 32), 10)
        batch = (torch.randn(128, 3, 32, 32), torch.randint(10, (128,)))
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

        def step() -> None:
            torch.autograd.backward(objective(model, batch))
            optimizer.step()
            optimizer.zero_grad()

        step()
        before = [both_clocks(step) for _ in range(STEPS)]
        grower = grower_for(model, batch, how, 0.25)
        found: list[Any] = []
        event = both_clocks(lambda: found.append(grower.step()))
        if found[0] is None or found[0].refused is not None:
            raise SystemExit(f"{how} did not grow: {found[0]}")
        wall, processor = (statistics.median(one[clock] for one in before) for clock in (0, 1))
        return {"value": event[1] / processor, "wall": event[0] / wall, "step": processor, "event": event[1]}

    return pair


def _beside_gromo(job: str) -> Callable[[], Pair]:
    def pair() -> Pair:
        from experiments.peers import bench

        work = bench.JOBS[job]
        batches = work["data"]()
        theirs = bench.run_gromo(work, batches)
        ours, _ = bench.run_growsearch(work, batches)
        return {"value": theirs / ours, "gromo": theirs / 1e3, "ours": ours / 1e3}

    return pair


_VGG = "in training steps of a VGG11 of width 0.25, batch 128"
ROWS = (
    Row(
        "gromo_mlp", "times that gromo 0.1.0 takes for one GradMax event, MLP", "x", 5, _beside_gromo("mlp"), True, True
    ),
    Row("gromo_conv", "the same, convolutions", "x", 5, _beside_gromo("conv"), True, True),
    Row("gradmax", f"a `gradmax` event {_VGG}", "steps", 60, _in_steps("gradmax")),
    Row("gradmax_opt", f"a `gradmax_opt` event {_VGG}", "steps", 60, _in_steps("gradmax_opt")),
    Row("gauss_newton", f"a `gauss_newton` event {_VGG}", "steps", 60, _in_steps("gauss_newton")),
    Row("firefly", f"a `firefly` event {_VGG}", "steps", 50, _in_steps("firefly")),
)

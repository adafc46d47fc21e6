"""The growth step of growsearch beside that of gromo 0.1.0: same networks, samples and units, in turn in one process.

    uv run --with gromo==0.1.0 python experiments/peers/bench.py --repeats 9 --out experiments/peers/results.json

One thread. Two jobs, both GradMax (gromo: no natural-gradient update, no covariance, zero incoming weights):

- mlp: 256-64-64-10 with ReLU, 16 units more at both hidden layers, 2,048 samples.
- conv: convolutions 3-16-32-32 on 32x32 images (strides 1, 2, 2, no bias, ReLU), mean, linear; 8 channels more at the
  first two, 512 samples in batches of 64; gromo with full kernels (`FullConv2dGrowingModule`).

Timed is one growth of both layers, on a network after two epochs of training: for gromo, statistics, solution and
application for the first layer and then the second (it cannot do both at once); for growsearch, one `Grower.step()`,
which includes its checks of the outputs in both modes, the optimizer state and tracing the grown network. An epoch of
plain training on the same samples is timed beside it. Ratios are medians over pairs.

The gradient norm is checked on the same growth with a ReLU whose derivative at 0 is 1 (the assumption of GradMax):
the squared norm that training sees at the new incoming weights, over the largest one that equal-norm orthogonal
outgoing weights can have.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth import Candidate, GrowthContext, Selector, SiteEnds
from growsearch.growth.statistics.triplets import gradient_triplets
from growsearch.networks.activation import ReLU1


class Given(Selector):
    """So many units at these sites."""

    summary: ClassVar[str] = "the given units"
    source: ClassVar[str] = "benchmark"
    units: dict[str, int]

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return self.units

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        return list(candidates)


Batches = list[tuple[Tensor, Tensor]]


def mlp_data() -> Batches:
    g = torch.Generator().manual_seed(0)
    centres = torch.randn(10, 256, generator=g)
    y = torch.randint(0, 10, (2048,), generator=g)
    x = centres[y] + 2.0 * torch.randn(2048, 256, generator=g)
    return [(x[i : i + 128], y[i : i + 128]) for i in range(0, 2048, 128)]


def conv_data() -> Batches:
    g = torch.Generator().manual_seed(0)
    centres = F.interpolate(torch.randn(10, 3, 8, 8, generator=g), 32, mode="bilinear")
    y = torch.randint(0, 10, (512,), generator=g)
    x = centres[y] + 0.5 * torch.randn(512, 3, 32, 32, generator=g)
    return [(x[i : i + 64], y[i : i + 64]) for i in range(0, 512, 64)]


def mlp(act: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(256, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 10))


def conv(act: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), act(),
        nn.Conv2d(16, 32, 3, 2, 1, bias=False), act(),
        nn.Conv2d(32, 32, 3, 2, 1, bias=False), act(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def gromo_mlp() -> Any:
    from gromo.containers.growing_mlp import GrowingMLP

    return GrowingMLP(256, 10, 64, 2, activation=nn.ReLU())


def gromo_conv() -> Any:
    from gromo.containers.sequential_growing_container import SequentialGrowingModel
    from gromo.modules.conv2d_growing_module import FullConv2dGrowingModule as Conv

    class Net(SequentialGrowingModel):
        def __init__(self) -> None:
            super().__init__(3, 10)
            common: dict[str, Any] = {"use_bias": False, "post_layer_function": nn.ReLU()}
            grown: dict[str, Any] = {**common, "allow_growing": True}
            self.c1 = Conv(3, 16, 3, padding=1, input_size=(32, 32), **common)
            self.c2 = Conv(16, 32, 3, stride=2, padding=1, previous_module=self.c1, input_size=(32, 32), **grown)
            self.c3 = Conv(32, 32, 3, stride=2, padding=1, previous_module=self.c2, input_size=(16, 16), **grown)
            self.head = nn.Linear(32, 10)
            self._growable_layers = [self.c2, self.c3]
            self.set_growing_layers("all")

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.c3(self.c2(self.c1(x))).mean((2, 3)))
            return out

    return Net()


JOBS: dict[str, dict[str, Any]] = {
    "mlp": {"data": mlp_data, "plain": mlp, "gromo": gromo_mlp, "units": 16, "sites": ("0", "2")},
    "conv": {"data": conv_data, "plain": conv, "gromo": gromo_conv, "units": 8, "sites": ("0", "2")},
}


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> None:
    model.train()
    for batch in batches:
        optimizer.zero_grad()
        objective(model, batch).backward()
        optimizer.step()
    optimizer.zero_grad()


def timed(f: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of processor time (one thread; other processes do not count), and the result."""
    start = time.process_time()
    result = f()
    return (time.process_time() - start) * 1e3, result


def trained(build: Callable[[], Any], batches: Batches) -> tuple[Any, torch.optim.Optimizer, float]:
    torch.manual_seed(0)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    epoch(model, optimizer, batches)
    return model, optimizer, timed(lambda: epoch(model, optimizer, batches))[0]


def run_gromo(job: dict[str, Any], batches: Batches) -> float:
    from gromo.utils.training_utils import compute_statistics

    model, _, _ = trained(job["gromo"], batches)
    model.eval()
    loss = nn.CrossEntropyLoss(reduction="sum")
    flags = {
        "compute_delta": False, "use_covariance": False, "alpha_zero": True,
        "use_projection": False, "ignore_singular_values": True,
    }  # fmt: skip

    def grow() -> None:
        for index in range(2):
            model.set_growing_layers(index=index)
            compute_statistics(model, batches, loss)
            model.compute_optimal_updates(maximum_added_neurons=job["units"], statistical_threshold=0.0, **flags)
            model.reset_computation()
            model.dummy_select_update()
            model.set_scaling_factor(1.0)
            model.apply_change()

    return timed(grow)[0]


def grower_batches(job: dict[str, Any], batches: Batches) -> Batches:
    """The same samples; for the small network in one batch."""
    if job["plain"] is conv:
        return batches
    return [(torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches]))]


def grower_for(job: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> Any:
    statistics_batches = grower_batches(job, batches)
    return growsearch.Grower(
        model, optimizer, batches[0][0][:2], objective=objective, batches=statistics_batches,
        statistics_batches=len(statistics_batches), when={"interval": {"every": 1}},
        where=Given(units=dict.fromkeys(job["sites"], job["units"])),
        how={"gradmax": {"scale": 1.0, "side": "incoming"}},
    )  # fmt: skip


def run_growsearch(job: dict[str, Any], batches: Batches) -> tuple[float, float]:
    model, optimizer, plain = trained(lambda: job["plain"](nn.ReLU), batches)
    grower = grower_for(job, model, optimizer, batches)
    milliseconds, event = timed(grower.step)
    assert event.sites == dict.fromkeys(job["sites"], job["units"]), event
    return milliseconds, plain


def gradient_share(job: dict[str, Any], batches: Batches) -> float:
    """Squared gradient norm that is reached, over the optimum."""
    model, optimizer, _ = trained(lambda: job["plain"](ReLU1), batches)
    grower = grower_for(job, model, optimizer, batches)
    generator = torch.Generator()
    sites = job["sites"]
    matrices = gradient_triplets(
        model, grower.graph, dict.fromkeys(sites, job["units"]), objective, grower_batches(job, batches), generator
    )
    norms = [SiteEnds(model, grower.graph, grower.graph.sites[s]).mean_norm("outgoing", 0) for s in sites]
    best = sum(n**2 * float((matrices[s][0].values ** 2).sum()) for n, s in zip(norms, sites, strict=True))
    grower.step()
    sum(objective(model, b) * len(b[0]) for b in batches).backward()
    total = sum(len(b[0]) for b in batches)
    reached = 0.0
    for s in sites:
        gradient = (model.get_submodule(s).weight.grad[-job["units"] :] / total).flatten(1)
        # Units beyond the rank of the matrix have no optimum to reach: they are random.
        reached += float(gradient[: int((matrices[s][0].values > 0).sum())].square().sum())
    return reached / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    results: dict[str, Any] = {
        "command": "uv run --with gromo==0.1.0 python experiments/peers/bench.py "
        f"--repeats {arguments.repeats} --out experiments/peers/results.json",
        "commit": commit, "torch": torch.__version__, "threads": 1, "repeats": arguments.repeats,
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "unit": "milliseconds of processor time, medians",
    }  # fmt: skip
    for name, job in JOBS.items():
        batches = job["data"]()
        run_gromo(job, batches), run_growsearch(job, batches)  # warm-up
        pairs = [(run_gromo(job, batches), *run_growsearch(job, batches)) for _ in range(arguments.repeats)]
        results[name] = {
            "gromo_growth": round(statistics.median(p[0] for p in pairs), 2),
            "growsearch_growth": round(statistics.median(p[1] for p in pairs), 2),
            "plain_epoch": round(statistics.median(p[2] for p in pairs), 2),
            "ratio": round(statistics.median(p[0] / p[1] for p in pairs), 1),
            "ratio_range": [round(min(p[0] / p[1] for p in pairs), 1), round(max(p[0] / p[1] for p in pairs), 1)],
            "gradient_reached_over_optimum": round(gradient_share(job, batches), 6),
        }
        print(name, json.dumps(results[name]))
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

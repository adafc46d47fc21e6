"""How large a first gradient GradMax finds behind batch normalisation, and at what cost.

    uv run python experiments/gradmax_batch_norm/run.py IMAGES [--networks wrn28 ...] [--seeds 0 1 2]

IMAGES is a folder with one subfolder of pictures for each class (32 x 32). Each network trains for 60 steps; then every
site that can grow gains a quarter of its units, by `random`, by GradMax's singular vectors alone (`refine: 0`), by
`gradmax` and by `gradmax_opt`, each in a copy, each on the same batch of 128 images and on its default side: the new
outgoing weights are 0. Measured is the norm of the gradient there, right after the growth, on that batch and (root mean
square over 8 batches) on images that neither the training nor the growth has seen. The cost is that of the whole
growth, its checks included, in training steps of the network before, by FLOPs (torch's counter, seed 0, all but
`gradmax_opt`, which the counter slows down). One thread. Writes results.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import growsearch
from growsearch.growth import NewSlices
from growsearch.networks import build_network
from growsearch.surgery import undisturbed

HERE = Path(__file__).parent
NETWORKS: dict[str, dict[str, Any]] = {
    "wrn28": {"name": "wrn28", "widen": 1, "width": 0.25, "grow": "block"},
    "resnet18_cifar": {"name": "resnet18_cifar", "width": 0.125},
    "vgg11": {"name": "vgg11", "width": 0.25, "batch_norm": True},
    "vgg11, no normalisation": {"name": "vgg11", "width": 0.25, "batch_norm": False},
}
HOW: dict[str, Any] = {
    "random": "random",
    "singular vectors": {"gradmax": {"refine": 0}},
    "gradmax": "gradmax",
    "gradmax_opt": "gradmax_opt",
}
SIZE, TRAIN, FRESH, STEPS = 128, 32, 8, 60
Batch = tuple[Tensor, Tensor]


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def images(root: Path, count: int) -> Batch:
    """The first `count` pictures, evenly over the classes, each channel of mean 0 and variance 1."""
    classes = sorted(folder for folder in root.iterdir() if folder.is_dir())
    files = [(f, i) for i, c in enumerate(classes) for f in sorted(c.iterdir())[: -(-count // len(classes))]]
    x = torch.stack([torch.from_numpy(np.array(Image.open(f).convert("RGB"))).permute(2, 0, 1) for f, _ in files])
    x = x.float()
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    return (x - mean) / std, torch.tensor([i for _, i in files])


def batches_of(data: Batch, seed: int) -> list[Batch]:
    order = torch.randperm(len(data[0]), generator=torch.Generator().manual_seed(seed))
    return [(data[0][part], data[1][part]) for part in torch.split(order, SIZE)]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    objective(model, batch).backward()
    optimizer.step()
    optimizer.zero_grad()


def flops(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def gains(model: nn.Module, slices: dict[str, NewSlices], batch: Batch) -> dict[str, float]:
    """Per site, the squared norm of the gradient at the new outgoing weights."""
    with undisturbed(model):
        parameters = list(model.parameters())
        found = torch.autograd.grad(objective(model, batch), parameters)
    gradients = {id(p): g for p, g in zip(parameters, found, strict=True)}
    return {name: float(s.squared_norms([gradients[id(t)] for t in s.tensors]).sum()) for name, s in slices.items()}


def one_run(network: str, seed: int, data: Batch) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = build_network(NETWORKS[network], tuple(data[0].shape[1:]), 10)
    batches = batches_of(data, seed)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for i in range(STEPS):
        step(model, optimizer, batches[i % TRAIN])
    batch, fresh = batches[TRAIN], batches[TRAIN + 1 : TRAIN + 1 + FRESH]
    graph = growsearch.trace(model, batch[0][:4])
    units = {name: -(-site.units // 4) for name, site in graph.sites.items() if site.kind == "exact"}
    probe = copy.deepcopy(model)
    training = flops(lambda: step(probe, torch.optim.SGD(probe.parameters(), 0.0), batch))
    found: dict[str, Any] = {}
    for name, how in HOW.items():
        kept: list[nn.Module] = []

        def grow(how: Any = how, kept: list[nn.Module] = kept) -> None:
            wide = copy.deepcopy(model)
            growsearch.grow(wide, batch[0][:4], units, how, objective=objective, batches=[batch], seed=seed)
            kept[:] = [wide]

        cost = flops(grow) / training if seed == 0 and name != "gradmax_opt" else None
        if cost is None:
            grow()
        (wide,) = kept
        slices = {n: NewSlices(wide, graph, graph.sites[n], "in", u, units) for n, u in units.items()}
        unseen = [gains(wide, slices, each) for each in fresh]
        found[name] = {
            "batch": gains(wide, slices, batch),
            "fresh": {n: statistics.fmean(each[n] for each in unseen) for n in units},
            "training_steps": cost,
        }
        print(network, seed, name, "cost", cost, flush=True)
    return found


def ratio(run: dict[str, Any], data: str, name: str, other: str) -> tuple[float, float]:
    """Gradient norm of all sites together over that of another method; and the mean over sites of each site's ratio."""
    a, b = run[name][data], run[other][data]
    total = float((sum(a.values()) / sum(b.values())) ** 0.5)
    return total, statistics.fmean((a[site] / b[site]) ** 0.5 for site in a)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in HOW:
        costs = [r[name]["training_steps"] for r in runs]
        out[name] = {"training_steps": [round(cost, 1) for cost in costs if cost is not None]}
        for other in ("random", "gradmax_opt"):
            for data in ("batch", "fresh"):
                pairs = [ratio(r, data, name, other) for r in runs]
                out[name][f"{data}: over {other}, all sites"] = [round(total, 3) for total, _ in pairs]
                out[name][f"{data}: over {other}, mean of sites"] = [round(mean, 3) for _, mean in pairs]
    return out


def record(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "command": "uv run python experiments/gradmax_batch_norm/run.py IMAGES",
        "torch": torch.__version__,
        "networks": {network: {"spec": NETWORKS[network], **summary(found)} for network, found in runs.items()},
        "squared gradient norms": runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = images(arguments.images, SIZE * (TRAIN + 1 + FRESH))
    runs: dict[str, list[dict[str, Any]]] = {}
    for network in arguments.networks:
        runs[network] = []
        for seed in arguments.seeds:
            runs[network].append(one_run(network, seed, data))
            arguments.out.write_text(json.dumps(record(runs)) + "\n")


if __name__ == "__main__":
    main()

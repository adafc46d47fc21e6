"""How sharp a network without normalisation is after a growth, with new units of several kinds.

uv run python experiments/gradmax_table/sharpness.py --data FOLDER

The VGG11 of `cifar10_vgg11` (no normalisation, SGD-Nesterov 0.9, learning rate 0.05) trains 50 steps of 128 images,
then every layer grows by a quarter of its units. Measured before and after, on 256 other images: the loss and the
largest eigenvalue of its Hessian (power iteration). On a quadratic such an optimizer diverges above 3.8 / (2.8 * 0.05)
= 27.1. Firefly's units are measured as they are, with sides of equal size, and rescaled to small outgoing and large
incoming weights: with ReLU the same function. Three seeds; writes sharpness.json.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.data import load_data
from growsearch.data.batches import Batches
from growsearch.execution.environment import describe_environment
from growsearch.networks import build_network

HERE = Path(__file__).parent
Batch = tuple[Tensor, Tensor]
EPSILONS = (0.1, 0.01)
FIXED = {"scale": 0.5, "norm": "fixed", "side": "incoming"}
KINDS: dict[str, dict[str, Any]] = {
    "random": {"random": FIXED},
    "gradmax": {"gradmax": FIXED},
    **{f"firefly, epsilon {e:g}": {"firefly": {"pool": 1, "splits": 0, "epsilon": e}} for e in EPSILONS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(3):
        for kind, values in measured(options.data, seed):
            found.setdefault(kind, []).append(values)
            print(seed, kind, values, flush=True)
    environment = describe_environment("cpu", 1, 1, 3)
    (HERE / "sharpness.json").write_text(json.dumps({"environment": environment, "seeds": found}, indent=1) + "\n")
    for kind, seeds in found.items():
        print(f"| {kind} |", " | ".join(f"{mean(one[key] for one in seeds):.3g}" for key in seeds[0]), "|")


def measured(root: Path, seed: int) -> list[tuple[str, dict[str, float]]]:
    """Loss, largest eigenvalue and relative change of the outputs, before and after each kind of growth."""
    torch.manual_seed(seed)
    dataset = load_data({"name": "image_folder", "root": str(root)}, seed)
    model = build_network({"name": "vgg11", "width": 0.25, "bias": False, "activation": "relu1"}, (3, 32, 32), 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    batches = iter(Batches(dataset.train, 128, dataset, seed=seed))
    for _ in range(50):
        objective(model, next(batches)).backward()
        optimizer.step()
        optimizer.zero_grad()
    judging, growing = [next(batches) for _ in range(2)], [next(batches) for _ in range(24)]
    sites = growsearch.trace(model, judging[0][0][:2]).sites
    units = {name: site.units // 4 for name, site in sites.items() if site.kind != "frozen"}
    rows = [("before", figures(model, judging, 0.0))]
    for kind, how in KINDS.items():
        grown = copy.deepcopy(model)
        event = growsearch.grow(grown, judging[0][0][:8], units, how, objective=objective, batches=growing, seed=seed)
        rows.append((kind, figures(grown, judging, event.output_change or 0.0)))
        if "firefly" in how:
            lopsided(grown, units, how["firefly"]["epsilon"] ** 0.5)
            rows.append((f"{kind}, large incoming", figures(grown, judging, event.output_change or 0.0)))
    return rows


def lopsided(model: nn.Module, units: dict[str, int], root: float) -> None:
    """Give new units incoming weights of whole mean norms and outgoing ones of epsilon, not its root for both."""
    graph = growsearch.trace(model, torch.zeros(2, 3, 32, 32))
    with torch.no_grad():
        for name, count in units.items():
            site = graph.sites[name]
            for use in site.axes:
                weight = model.get_parameter(use.tensor)
                taken = count * use.runs[0].repeat
                new = weight.narrow(use.axis, weight.shape[use.axis] - taken, taken)
                new.mul_(1 / root if use.role == "out" else root)


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def figures(model: nn.Module, batches: list[Batch], change: float) -> dict[str, float]:
    loss = mean(float(objective(model, batch).detach()) for batch in batches)
    return {"loss": loss, "largest_eigenvalue": largest_eigenvalue(model, batches), "output_change": change}


def largest_eigenvalue(model: nn.Module, batches: list[Batch], iterations: int = 25) -> float:
    """Of the Hessian of the mean loss, by power iteration."""
    weights = list(model.parameters())
    generator = torch.Generator().manual_seed(0)
    vector = [torch.randn(w.shape, generator=generator) for w in weights]
    value = 0.0
    for _ in range(iterations):
        norm = torch.stack([v.square().sum() for v in vector]).sum().sqrt()
        vector = [v / norm for v in vector]
        product = [torch.zeros_like(w) for w in weights]
        for batch in batches:
            slopes = torch.autograd.grad(objective(model, batch), weights, create_graph=True)
            along = torch.stack([(s * v).sum() for s, v in zip(slopes, vector, strict=True)]).sum()
            for total, part in zip(product, torch.autograd.grad(along, weights), strict=True):
                total += part / len(batches)
        value = float(torch.stack([(p * v).sum() for p, v in zip(product, vector, strict=True)]).sum())
        vector = product
    return value


if __name__ == "__main__":
    main()

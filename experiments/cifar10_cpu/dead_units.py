"""How many new units are dead 120 steps after a growth, and how the loss goes on.

    uv run python experiments/cifar10_cpu/dead_units.py FOLDER experiments/cifar10_cpu/dead_units.json

VGG11 (strided, ReLU, no normalisation) at 0.125 of its width trains on CIFAR-10 (JPEG) for 250 steps of batch 128 (SGD,
learning rate 0.05, Nesterov momentum 0.9, bfloat16 autocast), doubles every width in one growth, and trains for 120
steps. A unit is dead if its ReLU is 0 everywhere on a batch of 128. One run each, seed 0. Losses are means of 50 steps.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.data import Batches, load_data
from growsearch.networks import build_network

POLICIES: dict[str, dict[str, dict[str, Any]]] = {
    "random, incoming 0": {"random": {"scale": 0.5, "norm": "fixed", "side": "incoming"}},
    "gradmax, incoming 0": {"gradmax": {"scale": 0.5, "norm": "fixed", "side": "incoming"}},
    "gradmax, incoming 0, arbitrary signs": {
        "gradmax": {"scale": 0.5, "norm": "fixed", "side": "incoming", "orient_signs": False}
    },
    "random, outgoing 0": {"random": {"scale": 0.25, "side": "outgoing"}},
    "gradmax, outgoing 0": {"gradmax": {"scale": 0.25, "side": "outgoing"}},
    "zero, outgoing 0": {"zero": {}},
    "split": {"split": {}},
}


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def run(data: Any, how: dict[str, dict[str, Any]]) -> dict[str, Any]:
    torch.manual_seed(0)
    model = build_network({"name": "vgg11", "width": 0.125}, (3, 32, 32), 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    batches = iter(Batches(data.train, 128, data, torch.device("cpu"), augment=None, seed=0))
    probe = next(batches)
    grower = growsearch.Grower(
        model, optimizer, probe[0][:2], objective=objective, batches=[probe],
        when={"schedule": {"steps": [250]}}, how=how, amount=1.0,
    )  # fmt: skip
    losses = []
    for _, (x, y) in zip(range(370), batches, strict=False):
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        grower.step()
    dead = []

    def observe(module: nn.Module, args: Any, output: Tensor) -> None:
        silent = (output <= 0).all(dim=3).all(dim=2).all(dim=0)
        dead.append(round(float(silent[len(silent) // 2 :].float().mean()), 2))

    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(observe)
    with torch.no_grad():
        model(probe[0])
    before, after = sum(losses[200:250]) / 50, sum(losses[-50:]) / 50
    return {"dead_share_by_layer": dead, "loss_before": round(before, 3), "loss_after": round(after, 3)}


def main() -> None:
    data = load_data({"name": "image_folder", "root": sys.argv[1], "validation": 0}, 0)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    rows = {}
    for name, how in POLICIES.items():
        rows[name] = run(data, how)
        print(name, rows[name], flush=True)
    record = {
        "command": "uv run python experiments/cifar10_cpu/dead_units.py FOLDER experiments/cifar10_cpu/dead_units.json",
        "commit": commit, "torch": torch.__version__, "policies": rows,
    }  # fmt: skip
    Path(sys.argv[2]).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

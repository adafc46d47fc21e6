"""Networks that grow by gradient descent beside static ones of the size that they end with: 30 trials of each setting.

    uv run python experiments/differentiable_size/run.py

Writes `results.json` setting by setting and goes on where it was stopped; then `figures.py` draws from it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from batched import Trials, network
from tasks import TASKS
from torch import nn

from growsearch.growth import SoftGrower, SoftSize
from growsearch_strategies.soft.controller_mask import ControllerMask
from growsearch_strategies.soft.size_gate import SizeGate

HERE = Path(__file__).parent
WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
TRIALS = 30
STRENGTH = 0.32  # of the size loss, for a size that is off by all of its target
RATES = (0.03, 0.1)  # of further static networks, so that no size is compared with one that learns too slowly
SWEEP_WIDTH, SWEEP = 32, (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


PARTS = ("sweep", "widths", "rates")


def steps_for(width: int) -> int:
    """Wide networks cost more and are trained for fewer steps; the comparison is within a width."""
    return {256: 500, 512: 250, 1024: 150}.get(width, 1500)


def learning_rate(width: int) -> float:
    """Chosen for the static networks, from 0.003, 0.01, 0.03 and 0.1, on widths 8, 64 and 512."""
    return 0.03 if width >= 512 else 0.01


def methods(width: int, steps: int, strength: float = STRENGTH) -> dict[str, SoftSize | None]:
    """All units are allocated and initialised as the static network's, one of them is on at the start.

    The learning rates take the sizes from 1 to the target in about half of the steps.
    """
    start = {"target": 1.0, "start": 1 / width}
    return {
        "static": None,
        "size_gate": SizeGate(**start, strength=strength / width**2, lr=3 * width / steps),
        "controller_mask": ControllerMask(**start, strength=strength, lr=0.5 / steps),
        "scalar_gain": ControllerMask(start=1 / width, strength=strength, lr=0.5 / steps, scalar_gain=True),
    }


def run(task: str, width: int, soft: SoftSize | None, steps: int, lr: float) -> dict[str, Any]:
    """Train 30 trials of one setting."""
    started = time.process_time()
    trials = Trials(TASKS[task], width, soft, lr, range(TRIALS))
    path = []
    for step in range(steps):
        if step % (steps // 20) == 0:
            path.append(rounded(trials.size().mean()))
        trials.step()
    found = trials.outcome()
    return {
        "steps": steps,
        "lr": lr,
        "parameters": None if soft is None else soft.model_dump(),
        "train_loss": rounded(found.train_loss),
        "test_loss": rounded(found.test_loss),
        "test_accuracy": None if found.test_accuracy is None else rounded(found.test_accuracy),
        "size": rounded(found.size),
        "mean_size_every_20th": path,
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def rounded(values: torch.Tensor) -> Any:
    """Numbers with four digits."""
    plain = values.tolist()
    return [float(f"{v:.4g}") for v in plain] if isinstance(plain, list) else float(f"{plain:.4g}")


def check(method: str, task: str = "spiral", width: int = 12, steps: int = 60) -> dict[str, Any]:
    """One trial of a batch beside the same trial as a module, trained by `SoftGrower`, in float64."""
    # So slowly that the module never needs units beyond those that the batch has.
    soft = methods(width, 4 * steps)[method]
    assert soft is not None
    trials = Trials(TASKS[task], width, soft, 0.01, range(3), torch.float64)
    model = network(TASKS[task], width, seed=1).double()
    x, y, *_ = TASKS[task].data(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    grower = SoftGrower(model, optimizer, x, soft, seed=1)
    worst = 0.0
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), y)
        (loss + grower.penalty()).backward()
        optimizer.step()
        optimizer.zero_grad()
        grower.step()
        worst = max(worst, abs(float(loss.detach() - trials.step()[1])))
    size, batched = next(iter(grower.sizes.values())), float(trials.size()[1])
    if worst > 1e-9 or abs(size - batched) > 1e-9:
        raise SystemExit(
            f"{method}: a batched trial is not the module's: losses differ by {worst}, sizes {size} {batched}"
        )
    return {"task": task, "width": width, "steps": steps, "largest_loss_difference": worst, "size": size}


def environment() -> dict[str, Any]:
    """Where and with what it ran."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout
    return {"commit": commit.strip(), "torch": torch.__version__, "processor": model, "threads": 1, "trials": TRIALS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=HERE / "results.json")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    path, parts = arguments.results, arguments.parts
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    results.setdefault("environment", environment())
    for method in ("size_gate", "controller_mask", "scalar_gain"):
        results.setdefault("check", {}).setdefault(method, check(method))

    def once(
        part: str, key: str, task: str, width: int, soft: SoftSize | None, lr: float | None = None
    ) -> dict[str, Any]:
        done = results.setdefault(part, {})
        if key not in done:
            done[key] = run(task, width, soft, steps_for(width), lr or learning_rate(width))
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(results, separators=(",", ":")).replace('},"', '},\n"') + "\n")
            partial.replace(path)
            print(part, key, done[key]["cpu_seconds"], "s", flush=True)
        found: dict[str, Any] = done[key]
        return found

    if "sweep" in parts:
        for task, strength in itertools.product(TASKS, SWEEP):
            soft = methods(SWEEP_WIDTH, steps_for(SWEEP_WIDTH), strength)["size_gate"]
            grown = once("sweep", f"{task}/{strength:g}/size_gate", task, SWEEP_WIDTH, soft)
            size = max(1, round(sum(grown["size"]) / TRIALS))
            once("sweep", f"{task}/static/{size}", task, size, None)
    for width, task in itertools.product(WIDTHS, TASKS):
        for method, soft in methods(width, steps_for(width)).items() if "widths" in parts else ():
            once("widths", f"{task}/{width}/{method}", task, width, soft)
        for lr in RATES if "rates" in parts else ():
            once("rates", f"{task}/{width}/{lr:g}", task, width, None, lr)


if __name__ == "__main__":
    main()

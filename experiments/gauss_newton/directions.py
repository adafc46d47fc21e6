"""Learned directions of symmetric splits against others of the same norm, at every layer of a half-trained VGG-19.

- learned: Adam on `mean(r) + mean(q^2) / 2`, as `how: gauss_newton` does;
- random: Gaussian;
- gradient: along the gradient of the loss by the unit's incoming weights;
- steepest: the eigenvector of the lowest eigenvalue of E[sum g phi''(y) x x'] (splitting steepest descent), with a
  softplus's second derivative for the ReLU's, by power iteration.

All are found on the same 2,048 images, and have the learned direction's norm. The change of the loss is measured on the
first images of these, and on others that no direction has seen.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from setting import HERE, Setting, read, write
from svg import lines
from torch import Tensor, nn

from growsearch.growth.statistics.endpoints import layer_weight_gradient
from growsearch_strategies.gauss_newton.candidates import symmetric_splits
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.predicted_changes import SampleEffects
from growsearch_strategies.gauss_newton.surrogate_problem import incoming_norms
from growsearch_strategies.gauss_newton.symmetric import learn_symmetric

STEPS, LR, CAP, SHARPNESS, ITERATIONS = 96, 0.1, 0.5, 5.0, 10

FEW = 16
"""So many batches of 128 images: what all directions are found on. Adam sees one a step, with new labels each time."""


class Seen:
    """Inputs of the convolutions, outputs of the normalisations, and loss gradients behind the activations."""

    def __init__(self, model: nn.Sequential, batch: tuple[Tensor, Tensor]) -> None:
        self.x: dict[int, Tensor] = {}
        self.y: dict[int, Tensor] = {}
        self.a: dict[int, Tensor] = {}
        value = batch[0]
        for index, layer in enumerate(model.features):  # type: ignore[arg-type]
            if isinstance(layer, nn.Conv2d):
                self.x[index] = value
            value = layer(value)
            if isinstance(layer, nn.BatchNorm2d):
                self.y[index - 1] = value
            if isinstance(layer, nn.ReLU):
                self.a[index - 2] = value
        loss = nn.functional.cross_entropy(model.classifier(model.flatten(value)), batch[1])
        sites = list(self.a)
        found = torch.autograd.grad(loss, [self.a[i] for i in sites] + [self.y[i] for i in sites])
        self.after = dict(zip(sites, found, strict=False))
        self.before = dict(zip(sites, found[len(sites) :], strict=False))
        self.x = {i: v.detach() for i, v in self.x.items()}
        self.y = {i: v.detach() for i, v in self.y.items()}


def gradient_and_steepest(setting: Setting) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Per convolution, a direction for every unit, of any norm."""
    model: Any = setting.model
    gradient, steepest = {}, {}
    for module in model.features:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    seen = [Seen(model, batch) for batch in setting.learn]
    for index in seen[0].a:
        layer, norm = model.features[index], model.features[index + 1]
        scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()[:, None, None]
        path = f"features.{index}"
        gradient[path] = sum(layer_weight_gradient(layer, s.x[index], s.before[index] * scale) for s in seen)

        def product(v: Tensor, index: int = index, layer: nn.Module = layer, scale: Tensor = scale) -> Tensor:
            total = torch.zeros_like(v)
            for s in seen:
                soft = torch.sigmoid(SHARPNESS * s.y[index])
                bend = s.after[index] * SHARPNESS * soft * (1 - soft) * scale.square()
                epsilon = nn.functional.conv2d(s.x[index], v, None, layer.stride, layer.padding)
                total += layer_weight_gradient(layer, s.x[index], bend * epsilon)
            return total

        with torch.no_grad():
            steepest[path] = lowest_eigenvectors(product, layer.weight)
    return {k: v.detach() for k, v in gradient.items()}, steepest


def lowest_eigenvectors(product: Any, like: Tensor) -> Tensor:
    """For every row's own symmetric matrix: power iteration, then on the matrix shifted by the eigenvalue found."""
    v = torch.randn(like.shape, generator=torch.Generator().manual_seed(0))
    for _ in range(ITERATIONS // 2):
        v = product(unit(v))
    bound = norms(v) * 1.05
    v = torch.randn(like.shape, generator=torch.Generator().manual_seed(1))
    for _ in range(ITERATIONS):
        v = unit(v)
        v = bound * v - product(v)
    return v


def norms(v: Tensor) -> Tensor:
    return v.flatten(1).norm(dim=1)[:, None, None, None].clamp_min(1e-30)


def unit(v: Tensor) -> Tensor:
    found: Tensor = v / norms(v)
    return found


def measure(network: Path, data: str, out: Path, images: int, per_layer: int) -> None:
    """Measure what is not yet in the results, and draw the figure."""
    settings = {"images": images, "per_layer": per_layer}
    record = read(out, "directions")
    if record.get("settings") != settings:
        record = {"settings": settings, "layers": {}}
    setting = Setting(network, data, images, learn=FEW)
    started = time.perf_counter()
    with eval_no_dropout(setting.model):
        learned = learn_symmetric(setting.surrogate, setting.learn, STEPS, LR, CAP, setting.generator, renew=1)
        gradient, steepest = gradient_and_steepest(setting)
    drawn = {k: torch.randn(v.shape, generator=setting.generator) for k, v in learned.items()}
    kinds = {"learned": learned, "random": drawn, "gradient": gradient, "steepest": steepest}
    print(f"directions after {time.perf_counter() - started:.0f} s", flush=True)
    for problem in setting.surrogate.problems:
        name = problem.site.name
        if name in record["layers"]:
            continue
        units = torch.randperm(problem.site.units, generator=torch.Generator().manual_seed(0))[:per_layer]
        nothing = SampleEffects(torch.zeros(1, problem.site.units), torch.zeros(1, problem.site.units))
        row: dict[str, Any] = {
            "norm": round(
                float((norms(learned[name]).flatten() / incoming_norms(setting.surrogate, problem)).mean()), 3
            )
        }
        for kind, values in kinds.items():
            same = {name: unit(values[name]) * norms(learned[name])}
            candidates = symmetric_splits(problem, nothing, same)
            chosen = [candidates[int(u)] for u in units]
            row[kind] = setting.changes(name, chosen, setting.learn[: images // 128])
            row[f"{kind}, unseen"] = setting.changes(name, chosen, setting.train)
        record["layers"][name] = row
        write(out, "directions", record)
        print(name, {k: f"{sum(v) / len(v):.2e}" for k, v in row.items() if isinstance(v, list)}, flush=True)
    means = {k: [sum(row[k]) / len(row[k]) for row in record["layers"].values()] for k in row_names(kinds)}
    for ending in ("", ", unseen"):
        record[f"layers where learned is best{ending}"] = {
            k: sum(a < b for a, b in zip(means[f"learned{ending}"], means[f"{k}{ending}"], strict=True))
            for k in kinds
            if k != "learned"
        }
    write(out, "directions", record)
    above = {
        k: [max(0.0, a - b) for a, b in zip(means[k], means["learned"], strict=True)] for k in kinds if k != "learned"
    }
    lines(HERE / "directions.svg", above, list(record["layers"]), "loss above that of the learned direction")
    print({k: v for k, v in record.items() if k.startswith("layers where")})


def row_names(kinds: dict[str, Any]) -> list[str]:
    return [f"{kind}{ending}" for kind in kinds for ending in ("", ", unseen")]

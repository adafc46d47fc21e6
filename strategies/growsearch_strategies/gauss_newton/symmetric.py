"""Directions of symmetric splits: for all units of all sites at once, by Adam on the predicted change of the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from growsearch.growth import Report, silent
from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.passes import Key, Seen, both_inputs, observe, unit_products
from growsearch_strategies.gauss_newton.site_problems import layer_at
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem, incoming_norms

RENEW = 5
"""Steps of Adam before the next batch comes, with newly drawn labels: a new batch costs as much as half of them."""
START = 0.5
"""Norm at the start, in caps: the change of a ReLU's split vanishes, gradient and all, as the direction does."""


class Directions:
    """One direction for every unit: a tensor shaped like each producer's weight.

    `free` holds them in units of their norm: rows are divided by the norm of the unit's weights and multiplied by the
    root of their length, so that steps of one size suit all layers.
    """

    def __init__(self, surrogate: SurrogateProblem, cap: float, generator: torch.Generator) -> None:
        self.surrogate, self.cap = surrogate, cap
        self.free: dict[str, Tensor] = {}
        self._scale: dict[str, Tensor] = {}
        self._norms = {problem.site.name: incoming_norms(surrogate, problem) for problem in surrogate.problems}
        for problem in surrogate.problems:
            units, norms = problem.site.units, self._norms[problem.site.name]
            planned = (
                torch.zeros(units)
                .to(norms)
                .index_fill(0, torch.tensor(problem.units, dtype=torch.long).to(norms.device), 1.0)
            )
            lengths = [
                end.unit_norms(torch.ones_like(layer_at(surrogate.model, end).weight), units)
                for end in problem.producers
            ]
            scale = norms * planned / torch.stack(lengths).sum(0).clamp_min(1).sqrt()
            for end in problem.producers:
                weight = layer_at(surrogate.model, end).weight.detach()
                drawn = torch.randn(weight.shape, generator=generator).to(weight)
                own = end.along_axis(torch.ones_like(scale), weight)
                # A layer may produce units of several sites.
                self.free[end.module] = self.free.get(end.module, torch.zeros_like(weight)) + own * drawn
                known = self._scale.get(end.module, torch.zeros_like(weight))
                self._scale[end.module] = known + end.along_axis(scale, weight)
        self.normalise(START * cap)
        for value in self.free.values():
            value.requires_grad_()

    def shifts(self) -> dict[str, Tensor]:
        """The directions as they are added to the producers' weights."""
        return {path: value * self._scale[path] for path, value in self.free.items()}

    def set(self, path: str, value: Tensor) -> None:
        """Another direction for all units of a producer, of any norm."""
        self.free[path] = value.detach().to(self.free[path]).clone().requires_grad_()

    @torch.no_grad()
    def normalise(self, norm: float, longer_only: bool = False) -> None:
        """Give every unit's direction this norm, in norms of its weights."""
        shifts = self.shifts()
        for problem in self.surrogate.problems:
            squares = [end.unit_norms(shifts[end.module], problem.site.units) for end in problem.producers]
            length = torch.stack(squares).sum(0).sqrt().clamp_min(1e-30)
            ratio = norm * self._norms[problem.site.name] / length
            if longer_only:
                ratio = ratio.clamp_max(1.0)
            for end in problem.producers:
                factor = end.along_axis(ratio - 1.0, self.free[end.module]) + 1.0
                self.free[end.module].mul_(factor)


def learn_symmetric(
    surrogate: SurrogateProblem,
    batches: Sequence[Any],
    steps: int,
    lr: float,
    cap: float,
    generator: torch.Generator,
    renew: int = RENEW,
    report: Report = silent,
) -> dict[str, Tensor]:
    """For every unit a direction `d` of norm at most `cap` times the unit's, such that w + d and w - d lower the loss.

    Adam on the sum over all units of `mean(r) + mean(q^2) / 2`: the units do not see each other. The learning rate, in
    caps per step, falls to 0 along a cosine.

    Args:
        surrogate: the problem.
        batches: that are learned from, one after the other.
        steps: of Adam.
        lr: learning rate of the first step.
        cap: largest norm of a shift, in norms of the unit.
        generator: that starts and labels are drawn from.
        renew: steps between two batches.
        report: progress.
    """
    directions = Directions(surrogate, cap, generator)
    optimizer = torch.optim.Adam(list(directions.free.values()), lr=lr * cap, foreach=True)
    seen: Seen | None = None
    for step in range(steps):
        if seen is None or step % renew == 0:
            seen = observe(surrogate, batches[step // renew % len(batches)], generator)
        for group in optimizer.param_groups:
            group["lr"] = lr * cap * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():
            change = symmetric_change(surrogate, seen, directions.shifts())
            found = torch.autograd.grad(change, list(directions.free.values()), allow_unused=True)
        for value, gradient in zip(directions.free.values(), found, strict=True):
            value.grad = gradient
        optimizer.step()
        directions.normalise(cap, longer_only=True)
        report(step + 1, steps, "gauss_newton: directions of splits")
    with torch.no_grad():
        return directions.shifts()


def symmetric_change(surrogate: SurrogateProblem, seen: Seen, shifts: Mapping[str, Tensor]) -> Tensor:
    """The predicted change of the loss by the symmetric split of each unit, summed over all units."""
    plus, minus = both_inputs(surrogate, seen, shifts)
    # Twice the change: halves are taken of what is left of it, which is small.
    double = {key: (plus[key] + minus[key]).sub_(wide(seen.inputs[key]), alpha=2) for key in plus}
    terms = []
    for problem in surrogate.problems:
        r, q = (0.5 * each for each in unit_products(surrogate, seen, problem, double))
        terms.append((r.mean(0) + 0.5 * q.square().mean(0)).sum())
    return torch.stack(terms).sum()


def half_sum(seen: Seen, plus: Mapping[Key, Tensor], minus: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """The change of the consumers' inputs by symmetric splits: the mean of both sides less what it was."""
    return {key: (plus[key] + minus[key]).mul_(0.5).sub_(wide(seen.inputs[key])) for key in plus}

"""Splitting matrices of all units of several sites, through their products.

A unit with incoming weights w that becomes two, w + e v and w - e v, with half of its outgoing weights each, changes
the loss by e^2 / 2 v'Sv, S = E[sum over positions of dL/da phi''(z) x x'] (Wu et al. 2019, equation 4): `a` is the
unit's activation, `x` the patch that it reads. S is the second derivative by w of <g, a(w)> with the loss gradient g
held fixed, so S v comes from differentiating twice through what lies between producers and consumers, whatever it is.
No unit's S has to do with another's: one product serves all units of all sites.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from growsearch.errors import GrowthFailed, GrowthRefused
from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.passes import Key, Seen, perturbed_inputs
from growsearch_strategies.gauss_newton.site_problems import SiteProblem, layer_at
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.steepest.lowest import by_eigh, by_lanczos
from growsearch_strategies.steepest.smoothing import SmoothKinks

EXACT_SIZE = 64
"""Most incoming weights of a unit for which its whole matrix is built."""

Vectors = dict[str, Float[Tensor, "units d"]]
"""By site, one vector for each unit, laid out as its weights are: producer after producer, row after row."""


@dataclass(frozen=True)
class Curvature:
    """By site, the lowest eigenvalue of each unit's splitting matrix, and its unit vector as shifts by producer."""

    values: Mapping[str, Float[Tensor, " units"]]
    shifts: Mapping[str, Tensor]
    seen: Seen


def lowest_curvature(
    surrogate: SurrogateProblem, batches: Sequence[Any], sharpness: float, steps: int, generator: torch.Generator
) -> Curvature:
    """The lowest eigenpairs of all units; inside `eval_no_dropout`.

    Args:
        surrogate: the problem.
        batches: that the matrices are the mean over.
        sharpness: of smoothed kinks.
        steps: of Lanczos, for units of more than `EXACT_SIZE` weights.
        generator: of its start.

    Raises:
        GrowthRefused: the second derivative is 0 at every unit.
        GrowthFailed: the loss or its curvature is not finite.
    """
    matrices = SplittingMatrices(surrogate, batches, sharpness)
    values: dict[str, Tensor] = {}
    found: Vectors = {}
    for problem in surrogate.problems:
        name = problem.site.name

        def products(vectors: Tensor, name: str = name) -> Tensor:
            return matrices.times({name: vectors})[name]

        start = torch.randn(matrices.sizes[name], generator=generator).to(matrices.like)
        exact = start.shape[1] <= EXACT_SIZE
        values[name], found[name] = by_eigh(products, start) if exact else by_lanczos(products, start, steps)
    if not any(bool(each.abs().max() > 0) for each in values.values()):
        raise GrowthRefused(
            f"sites {', '.join(values)}: the second derivative of what lies behind their units is 0 everywhere, so no "
            "split has a curvature; use how: split"
        )
    return Curvature(values, matrices.unpacked(found), matrices.seen)


class SplittingMatrices:
    """Products with the matrices; `sizes` are `[units, d]` by site, `seen` is the last batch."""

    def __init__(self, surrogate: SurrogateProblem, batches: Sequence[Any], sharpness: float) -> None:
        self._surrogate = surrogate
        self._places = {problem.site.name: _places(surrogate.model, problem) for problem in surrogate.problems}
        self.sizes = {p.site.name: (p.site.units, _length(self._places[p.site.name])) for p in surrogate.problems}
        weights = {path: surrogate.model.get_submodule(path).get_parameter("weight") for path in surrogate.producers}
        self.like = wide(next(iter(weights.values())).detach())
        self._shifts: list[dict[str, Tensor]] = []
        self._slopes: list[dict[str, Tensor]] = []
        for batch in batches:
            self.seen = gradients_at_consumers(surrogate, batch)
            shifts = {path: wide(torch.zeros_like(w)).requires_grad_() for path, w in weights.items()}
            with torch.enable_grad(), SmoothKinks(sharpness):
                inputs = perturbed_inputs(surrogate, self.seen, shifts, 1.0)
                terms = [(g * inputs[key]).sum() for key, g in self.seen.loss_in.items() if inputs[key].requires_grad]
                total = torch.stack(terms).sum() / len(batches) if terms else self.like.new_zeros(())
                slopes = (
                    torch.autograd.grad(total, list(shifts.values()), create_graph=True, allow_unused=True)
                    if total.requires_grad
                    else [None] * len(shifts)
                )
            self._shifts.append(shifts)
            pairs = zip(shifts, slopes, strict=True)
            self._slopes.append({path: slope for path, slope in pairs if slope is not None and slope.requires_grad})

    def times(self, vectors: Vectors) -> Vectors:
        """S v for every unit of the sites in `vectors`."""
        along = self.unpacked(vectors)
        total = {path: torch.zeros_like(value) for path, value in along.items()}
        for shifts, slopes in zip(self._shifts, self._slopes, strict=True):
            wanted = [path for path in along if path in slopes]
            if not wanted:
                continue
            dots = torch.stack([(slopes[path] * along[path]).sum() for path in wanted]).sum()
            found = torch.autograd.grad(dots, [shifts[path] for path in wanted], retain_graph=True, allow_unused=True)
            for path, value in zip(wanted, found, strict=True):
                if value is not None:
                    total[path] += value
        if not all(bool(torch.isfinite(value).all()) for value in total.values()):
            raise GrowthFailed("the curvature by splits is not finite: the run has diverged")
        return {name: self._packed(total, name) for name in vectors}

    def unpacked(self, vectors: Vectors) -> dict[str, Tensor]:
        """Vectors as tensors shaped like the producers' weights, 0 where no unit of these sites is."""
        found: dict[str, Tensor] = {}
        for name, rows in vectors.items():
            for path, (unit, place) in self._places[name].items():
                own = torch.where(unit >= 0, rows.to(self.like)[unit.clamp_min(0), place], 0.0)
                found[path] = found[path] + own if path in found else own
        return found

    def _packed(self, tensors: Mapping[str, Tensor], name: str) -> Tensor:
        rows = self.like.new_zeros(self.sizes[name])
        for path, (unit, place) in self._places[name].items():
            own = unit >= 0
            rows[unit.expand_as(place)[own.expand_as(place)], place[own.expand_as(place)]] = tensors[path][
                own.expand_as(place)
            ]
        return rows


Places = dict[str, tuple[Tensor, Tensor]]
"""By producer, for each of its weights the unit that it belongs to (-1: none) and its place in the unit's vector."""


def _places(model: nn.Module, problem: SiteProblem) -> Places:
    found: Places = {}
    done = 0
    for end in problem.producers:
        weight = layer_at(model, end).weight
        row = weight[0].numel()
        seen: Counter[int] = Counter()
        ranks = []
        for unit in end.columns.tolist():
            ranks.append(seen[unit])
            seen[unit] += 1
        shape = [-1] + [1] * (weight.ndim - 1)
        inside = torch.arange(row).reshape(1, *weight.shape[1:])
        place = done + torch.tensor(ranks).reshape(shape) * row + inside
        unit = end.columns.reshape(shape).expand_as(place)
        # Weights of no unit would lie beyond the vectors.
        place = torch.where(unit >= 0, place, 0)
        found[end.module] = (unit.to(weight.device), place.to(weight.device))
        done += row * max((count for unit_, count in seen.items() if unit_ >= 0), default=0)
    return found


def _length(places: Places) -> int:
    return max(int(place.max()) for _, place in places.values()) + 1


def gradients_at_consumers(surrogate: SurrogateProblem, batch: Any) -> Seen:
    """One batch: the inputs of all ends, and the gradient of the loss at what each consumer reads, through it alone."""
    seen = Seen(batch)
    runs: Counter[str] = Counter()

    def before(path: str) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            x = args[0].clone() if args[0].requires_grad else args[0].detach().clone().requires_grad_()
            seen.inputs[path, runs[path]] = x
            runs[path] += 1
            return (x, *args[1:])

        return hook

    with torch.enable_grad(), ExitStack() as hooks:
        for path in sorted(surrogate.producers | surrogate.consumers):
            module = surrogate.model.get_submodule(path)
            hooks.callback(module.register_forward_pre_hook(before(path)).remove)
        loss = surrogate.objective(surrogate.model, batch)
        seen.loss = float(loss.detach())
        if not torch.isfinite(loss.detach()).all():
            raise GrowthFailed(f"the objective is {seen.loss} on the statistics batch: the run has diverged")
        ends: dict[Key, Tensor] = {key: x for key, x in seen.inputs.items() if key[0] in surrogate.consumers}
        found = torch.autograd.grad(loss, list(ends.values()), allow_unused=True) if ends else ()
    seen.loss_in = {key: wide(g.detach()) for key, g in zip(ends, found, strict=True) if g is not None}
    seen.inputs = {key: x.detach() for key, x in seen.inputs.items()}
    return seen

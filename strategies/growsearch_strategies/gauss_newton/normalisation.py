"""Batch normalisation behind a unit that is split: what keeps both copies on their scale in training mode.

A copy's activation has another mean and variance than the unit's. In evaluation mode nothing follows from that, but
training mode would divide it out again, and the copies would not compute what was predicted. So a copy takes its own
running statistics, and a weight and bias with which the map is the same as before: exactly in evaluation mode, and in
training mode as far as the statistics of one batch are those of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from growsearch.growth.candidate import FillKey
from growsearch.growth.unit_owners import unit_owners
from growsearch_strategies.gauss_newton.passes import Key, Seen, perturbed_inputs
from growsearch_strategies.gauss_newton.site_problems import SiteProblem
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem

Norm = nn.modules.batchnorm._BatchNorm
Moments = dict[str, tuple[Tensor, Tensor]]
Rescaling = Mapping[str, tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]
"""By normalisation: what is added to each of its tensors at the channels of the sources, and at those of the copies."""


@torch.no_grad()
def rescaling(surrogate: SurrogateProblem, seen: Seen, shifts: Mapping[str, Tensor]) -> Rescaling:
    """What splits along `shifts` add to the tensors of the normalisations behind their units."""
    moved: dict[Key, Tensor] = {}
    before, plus, minus = (_moments(surrogate, seen, shifts, sign, moved) for sign in (0.0, 1.0, -1.0))
    found = {}
    for path, moments in before.items():
        layer = surrogate.model.get_submodule(path)
        assert isinstance(layer, Norm)
        found[path] = (_changes(layer, moments, plus[path]), _changes(layer, moments, minus[path]))
    return found


def unit_rescaling(problem: SiteProblem, found: Rescaling, unit: int) -> dict[FillKey, tuple[Tensor, Tensor]]:
    """One unit's part, as shifts of a candidate."""
    shifts = {}
    for use in problem.site.axes:
        if use.role == "mean" and use.module in found:
            owner = unit_owners(use.runs, use.size, problem.site.units)
            own = (owner == unit).nonzero().flatten()
            source, copy = found[use.module]
            for name in source:
                key = (f"{use.module}.{name}", 0)
                shifts[key] = (source[name][own.to(source[name].device)], copy[name][own.to(copy[name].device)])
    return shifts


def _changes(layer: Norm, before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    assert layer.running_mean is not None and layer.running_var is not None
    moved = after[0] - before[0]
    # A channel that is constant has no scale to keep.
    ratio = torch.where(before[1] > layer.eps, after[1] / before[1].clamp_min(layer.eps), torch.ones_like(moved))
    variance = layer.running_var * ratio
    old = (layer.running_var + layer.eps).sqrt()
    return {
        "running_mean": moved,
        "running_var": variance - layer.running_var,
        "weight": layer.weight * ((variance + layer.eps).sqrt() / old - 1),
        "bias": layer.weight * moved / old,
    }


def _moments(
    surrogate: SurrogateProblem, seen: Seen, shifts: Mapping[str, Tensor], sign: float, moved: dict[Key, Tensor]
) -> Moments:
    with _watched(surrogate) as found:
        perturbed_inputs(surrogate, seen, shifts, sign, moved)
    return found


@contextmanager
def _watched(surrogate: SurrogateProblem) -> Iterator[Moments]:
    """Mean and variance of each channel that enters a normalisation behind the units, filled while the network runs."""
    found: Moments = {}

    def observe(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].movedim(1, 0).flatten(1)
            found[path] = (x.mean(1), x.var(1, unbiased=False))

        return hook

    with ExitStack() as hooks:
        for path in sorted({u.module for p in surrogate.problems for u in p.site.axes if u.role == "mean"}):
            layer = surrogate.model.get_submodule(path)
            if isinstance(layer, Norm) and layer.affine and layer.running_mean is not None:
                hooks.callback(layer.register_forward_pre_hook(observe(path)).remove)
        yield found

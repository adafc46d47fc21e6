"""Learning rates for parts of a parameter: what an optimizer's step changed is multiplied, weight by weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import InputError
from growsearch.growth.births import Births
from growsearch.growth.new_unit_settings import NewUnitSettings
from growsearch.growth.progress import Progress


class UpdateFactors:
    """How far each weight moves at the next optimizer step, in steps of the optimizer's own learning rate.

    Factors multiply: `boost` of the new weights, what is left of a warm-up again, and the rate of a weight's cohort,
    ||W_k|| / ||W_0||: the norm, in one parameter, of the weights that came with event k over that of the oldest ones
    there (Yuan et al. 2023, table 1, with f the weight norm). Cohorts are told apart in parameters of two axes and
    more: biases and scales keep the base rate.
    """

    def __init__(self, settings: NewUnitSettings, births: Births, progress: Progress) -> None:
        self.settings, self._births, self._progress = settings, births, progress
        self._cohorts: dict[str, _Cohorts | None] = {}
        self._revision = births.revision

    def of(self, name: str, parameter: Tensor) -> Float[Tensor, "*axes"] | float:
        """Factors shaped like the parameter, or one number for all of it."""
        whole = self._rewarmed_whole()
        cohorts = self._cohorts_of(name, parameter)
        if cohorts is None:
            return whole
        by_cohort = self._by_age(cohorts.steps).to(parameter)
        if self.settings.learning_rate == "cohort" and parameter.ndim > 1:
            by_cohort = by_cohort * cohorts.norm_ratios(parameter).clamp_min(self.settings.floor)
        factors: Tensor = (whole * by_cohort)[cohorts.index]
        return factors

    def _rewarmed_whole(self) -> float:
        rewarm, events = self.settings.rewarm, self._progress.events
        if rewarm is None or rewarm.scope != "all" or not events:
            return 1.0
        return min(1.0, (self._progress.step - events[-1] + 1) / (rewarm.steps + 1))

    def _by_age(self, steps: Int[Tensor, " cohorts"]) -> Float[Tensor, " cohorts"]:
        """The factors that depend on how many steps ago the weights came."""
        settings, age = self.settings, self._progress.step - steps
        factors = torch.ones(len(steps), dtype=torch.float64)
        new = (steps > 0) & (age < settings.steps)
        factors = torch.where(new, settings.boost * factors, factors)
        if settings.rewarm is not None and settings.rewarm.scope == "new":
            ramp = ((age + 1) / (settings.rewarm.steps + 1)).clamp_max(1.0).double()
            factors = torch.where(steps > 0, ramp * factors, factors)
        return factors

    def _cohorts_of(self, name: str, parameter: Tensor) -> _Cohorts | None:
        if self._revision != self._births.revision:
            self._cohorts.clear()
            self._revision = self._births.revision
        if name not in self._cohorts:
            born = self._births.of(name, parameter)
            self._cohorts[name] = None if born is None else _Cohorts.of(born)
        return self._cohorts[name]


@dataclass(frozen=True)
class _Cohorts:
    """The steps at which a parameter's weights came, rising, and for each weight which of them is its own."""

    steps: Int[Tensor, " cohorts"]
    index: Int[Tensor, "*axes"]

    @classmethod
    def of(cls, born: Int[Tensor, "*axes"]) -> _Cohorts:
        steps, index = torch.unique(born, return_inverse=True)
        return cls(steps.cpu(), index)

    def norm_ratios(self, weight: Tensor) -> Float[Tensor, " cohorts"]:
        """Norm of each cohort over that of the oldest; 1 where the oldest is 0."""
        squares = weight.detach().float().square() if weight.dtype.itemsize < 4 else weight.detach().square()
        norms = torch.stack([torch.where(self.index == k, squares, 0.0).sum() for k in range(len(self.steps))]).sqrt()
        return torch.where(norms[0] > 0, norms / norms[0].clamp_min(torch.finfo(norms.dtype).tiny), 1.0).to(weight)


def scale_updates(factors: UpdateFactors, model: nn.Module, optimizers: tuple[Optimizer, ...]) -> None:
    """From now on, let every step of the optimizers move each weight by its factor times what it would have.

    What an optimizer does with a gradient is left alone: its update is scaled, weight decay included, which is the same
    as another learning rate for any optimizer that has one. Raises `InputError` where rates are wanted, and there is no
    optimizer.
    """
    if not factors.settings.scales_updates:
        return
    if not optimizers:
        raise InputError(f"{factors.settings}: learning rates of new units need the optimizer")
    before: dict[str, tuple[Tensor, Tensor | float]] = {}

    def remember(optimizer: Optimizer, *_: Any) -> None:
        for name, parameter in _trained(model, optimizer):
            factor = factors.of(name, parameter)
            if isinstance(factor, Tensor) or factor != 1.0:
                before[name] = (parameter.detach().clone(), factor)

    def scale(optimizer: Optimizer, *_: Any) -> None:
        with torch.no_grad():
            for name, parameter in _trained(model, optimizer):
                if name in before:
                    old, factor = before.pop(name)
                    # At a factor of 1 this is the new value, bit for bit.
                    parameter.copy_(torch.lerp(old, parameter, factor))

    for each in optimizers:
        each.register_step_pre_hook(remember)
        each.register_step_post_hook(scale)


def _trained(model: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that the next step of this optimizer may change, by name."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return (
        (name, parameter)
        for name, parameter in model.named_parameters()
        if id(parameter) in held and parameter.grad is not None
    )

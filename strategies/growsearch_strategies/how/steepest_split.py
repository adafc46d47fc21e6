"""Splitting steepest descent: the units whose split lowers the loss most, along the direction that does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from growsearch.growth import Candidate, GrowthContext, Initializer, Kinds, Need, Split
from growsearch.growth.candidate import FillKey
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.normalisation import Rescaling, rescaling, unit_rescaling
from growsearch_strategies.gauss_newton.site_problems import SiteProblem, site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem, incoming_norms
from growsearch_strategies.steepest.curvature import Curvature, lowest_curvature

__all__ = ["SteepestSplit"]


class SteepestSplit(Initializer):
    """A unit becomes two, w + e v and w - e v, with half of its outgoing weights each.

    To second order in e the loss changes by `e^2 / 2 v'Sv`, S the unit's splitting matrix (see `steepest.curvature`);
    v is its eigenvector of the lowest eigenvalue. Where that is negative, the split leads away from what gradient
    descent can only see as a minimum. e is the same for all units: `epsilon` times the mean norm of their incoming
    weights, so that candidates rank by their eigenvalues. S is that of incoming weights without biases, in evaluation
    mode; behind batch normalisation the copies are rescaled so that training mode computes the same.

    Ours: behind ReLU and its like, whose second derivative is 0 but for a point, the kink is smoothed to softplus whose
    inverse width is `sharpness` over the root mean square of what enters. Units of up to 64 incoming weights have their
    whole matrix decomposed; beyond, `steps` products find the lowest Ritz pair (Wang et al. 2019 descend on the
    Rayleigh quotient with the same products).
    """

    summary: ClassVar[str] = "splits along the direction of lowest curvature of the loss"
    why: ClassVar[str] = "a way on where the loss has stopped falling: splits that leave a minimum"
    source: ClassVar[str] = (
        "Wu, Wang and Liu 2019, Splitting Steepest Descent for Growing Neural Architectures, equations 4 to 7; Wang et "
        "al. 2019, Energy-Aware Neural Architecture Optimization with Fast Splitting Steepest Descent"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    usual: ClassVar[tuple[str, str]] = ("phases", "splitting")
    preserves: ClassVar[str] = "nothing: it changes the function, to second order in epsilon"
    exact: ClassVar[bool] = False
    makes: ClassVar[Kinds] = frozenset({Split})

    epsilon: float = Field(0.1, gt=0, description="length of a shift, in mean norms of the units' incoming weights")
    sharpness: float = Field(4.0, gt=0, description="inverse width of smoothed kinks, in the size of what enters")
    steps: int = Field(16, ge=1, description="products for units with more than 64 incoming weights")
    data: int = Field(2, ge=1, description="batches that the matrices are the mean over")

    def batches(self) -> int:
        return self.data

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in plan.items() if units > 0}
        objective, batches = context.needed("gradients")
        eligible = {name: context.eligible(name) for name in plan}
        problems = site_problems(context.model, context.graph, [context.sites[name] for name in plan], eligible)
        if not problems:
            return []
        surrogate = SurrogateProblem(context.model, objective, problems, "auto")
        norms = torch.cat([incoming_norms(surrogate, problem)[list(problem.units)] for problem in problems])
        length = self.epsilon * float(norms.mean()) if len(norms) else 0.0
        with eval_no_dropout(context.model):
            found = lowest_curvature(surrogate, batches[: self.data], self.sharpness, self.steps, context.generator)
            shifts = {path: length * value for path, value in found.shifts.items()}
            renewed = rescaling(surrogate, found.seen, shifts)
        return [
            candidate
            for problem in problems
            for candidate in _splits(problem, found, shifts, length, renewed, plan[problem.site.name])
        ]


def _splits(
    problem: SiteProblem, found: Curvature, shifts: Mapping[str, Tensor], length: float, norms: Rescaling, units: int
) -> list[Candidate]:
    """The splits of a site's units, those of lowest curvature first.

    Args:
        problem: the site.
        found: eigenvalues.
        shifts: eigenvectors times `length`, by producer.
        length: e.
        norms: changes of normalisations.
        units: at most so many.
    """
    values = found.values[problem.site.name]
    order = sorted(problem.units, key=lambda unit: float(values[unit]))[:units]
    return [
        Split(
            site=problem.site.name,
            index=index,
            parameters=problem.site.parameters_per_unit,
            flops=problem.site.flops_per_unit,
            source=unit,
            shifts={**_opposite(problem, shifts, unit), **unit_rescaling(problem, norms, unit)},
            exact=False,
            predicted_change=0.5 * length**2 * float(values[unit]),
            score=-0.5 * length**2 * float(values[unit]),
        )
        for index, unit in enumerate(order)
    ]


def _opposite(problem: SiteProblem, shifts: Mapping[str, Tensor], unit: int) -> dict[FillKey, tuple[Tensor, Tensor]]:
    own = {(end.use.tensor, end.use.axis): end.slices(shifts[end.module], unit) for end in problem.producers}
    return {key: (value, -value) for key, value in own.items()}

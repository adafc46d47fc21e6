"""Where a split lowers the loss most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from growsearch.errors import GrowthRefused
from growsearch.growth import Candidate, GrowthContext, Need, Selector
from growsearch.growth.candidate import Split
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.steepest.curvature import lowest_curvature

__all__ = ["Splitting"]


class Splitting(Selector):
    """Lowest curvature first, over all sites, as far as the budget goes.

    Candidates that predict their change of the loss, as those of `how: steepest_split` do, rank by that, and none is
    taken whose split would raise it. Others are ranked by the lowest eigenvalues of the units' splitting matrices: a
    split by its unit's, the i-th new unit at a site by the i-th lowest there: new units go where splits would pay. An
    inserted layer scores the largest singular value of the gradient of a linear layer there.
    """

    summary: ClassVar[str] = "the units whose splitting matrix has the lowest eigenvalue"
    source: ClassVar[str] = (
        "Wu, Wang and Liu 2019, Splitting Steepest Descent for Growing Neural Architectures, section 3"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "units where the loss has negative curvature by a split"
    finds_size: ClassVar[str] = "with how: steepest_split: what no longer lowers the loss is not split"

    multiplier: float = Field(
        4.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )
    sharpness: float = Field(4.0, gt=0, description="as in how: steepest_split, where it does not propose")
    steps: int = Field(16, ge=1, description="as in how: steepest_split")
    data: int = Field(2, ge=1, description="as in how: steepest_split")

    def batches(self) -> int:
        return self.data

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return context.pool(self.multiplier)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        known = [c for c in candidates if not c.exact and c.predicted_change is not None]
        paying = [(c.predicted_change or 0.0, c) for c in known if (c.predicted_change or 0.0) < 0]
        others = [c for c in candidates if c.exact or c.predicted_change is None]
        ranked = sorted(paying, key=_order) + sorted(
            zip(self._scores(others, context), others, strict=True), key=_order
        )
        return context.ledger().fitting(c for _, c in ranked)

    def _scores(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[float]:
        if not candidates:
            return []
        if context.depth_sites:
            strengths = context.strengths({c.site: 1 for c in candidates})
            return [-strengths[c.site] for c in candidates]
        values = self._values(list(dict.fromkeys(c.site for c in candidates)), context)
        return [_score(c, values.get(c.site, [])) for c in candidates]

    def _values(self, names: Sequence[str], context: GrowthContext) -> dict[str, list[float]]:
        """By site, the lowest eigenvalue of every unit; nothing for sites whose units cannot be judged."""
        objective, batches = context.needed("gradients")
        try:
            every = {name: list(range(context.sites[name].units)) for name in names}
            problems = site_problems(context.model, context.graph, [context.sites[name] for name in names], every)
            surrogate = SurrogateProblem(context.model, objective, problems, "auto")
            with eval_no_dropout(context.model):
                found = lowest_curvature(surrogate, batches[: self.data], self.sharpness, self.steps, context.generator)
        except GrowthRefused:
            return {}
        return {name: values.tolist() for name, values in found.values.items()}


def _score(c: Candidate, values: Sequence[float]) -> float:
    if isinstance(c, Split):
        return values[c.source] if values else 0.0
    return sorted(values)[c.index] if c.index < len(values) else 0.0


def _order(pair: tuple[float, Candidate]) -> tuple[float, str, int]:
    return pair[0], pair[1].site, pair[1].index

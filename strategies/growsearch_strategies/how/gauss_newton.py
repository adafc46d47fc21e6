"""Splits and removals learned and judged by the Gauss-Newton surrogate of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from growsearch.growth import Candidate, GrowthContext, Initializer, Kinds, Need, Removal, Split
from growsearch_strategies.gauss_newton.bias_compensation import bias_compensations
from growsearch_strategies.gauss_newton.candidates import Learned, removals, splits
from growsearch_strategies.gauss_newton.division import divided, in_parts
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.joint import guarded
from growsearch_strategies.gauss_newton.normalisation import rescaling
from growsearch_strategies.gauss_newton.outputs import Targets
from growsearch_strategies.gauss_newton.passes import observe
from growsearch_strategies.gauss_newton.predicted_changes import PredictedChanges, predict_changes
from growsearch_strategies.gauss_newton.signed import SignedSplits
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.gauss_newton.symmetric import learn_symmetric

__all__ = ["GaussNewton"]


class GaussNewton(Initializer):
    """Splits, symmetric or signed, and removals, for every unit of every site at once, the network frozen.

    For a change of a unit's activation, with `g` the gradient of a sample's loss there and `h` the one for a label
    drawn from the network's own output, `r = <g, change>` and `q = <h, change>`, summed over positions before anything
    is squared; the predicted change of the loss is `mean(r) + mean(q^2) / 2`. A symmetric split, w + d and w - d with
    half of the outgoing weights each, learns d by Adam on that. A signed split, (w + d, V/2 + c) and (w - d, V/2 - c),
    takes the top singular pair of the whitened second derivative by (c, d), and the amplitude `-mean(r) / mean(q^2)`.
    A unit's candidate is the better of the two. Where the selector removes units, there is one candidate of that for
    every unit beside, its mean activation folded into what follows.

    Ours: the last batch is held out; of the others, the first half (at least one) learns the directions and the second
    judges them, so that a prediction is not the better for what was fitted to its own data; Adam takes its steps on
    parts of these batches. All statistics are those of evaluation mode, where batch normalisation is the affine map of
    its running statistics: per-sample gradients are exact there.
    The copies' normalisation is rescaled so that training mode computes the same. Sites that cannot be judged are left
    out.
    """

    summary: ClassVar[str] = "splits and removals learned and judged by a Gauss-Newton model of the loss"
    source: ClassVar[str] = (
        "Lawton et al. 2024, Learning Morphisms with Gauss-Newton Approximation for Growing Networks"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    preserves: ClassVar[str] = "nothing: it changes the function, by as much as it predicts"
    why: ClassVar[str] = "every unit of every layer judged at once, and capacity that moves from layer to layer"
    usual: ClassVar[tuple[str, str]] = ("phases", "gauss_newton")
    exact: ClassVar[bool] = False
    makes: ClassVar[Kinds] = frozenset({Split, Removal})

    data: int = Field(8, ge=1, description="batches of statistics: to learn from, to judge on, and a held-out one")
    steps: int = Field(40, ge=1, description="steps of Adam for the symmetric splits")
    lr: float = Field(0.1, gt=0, description="learning rate of the first step, in caps")
    cap: float = Field(0.5, gt=0, le=1, description="largest norm of a symmetric split's shift, in norms of the unit")
    size: float = Field(0.1, gt=0, le=1, description="norm of a signed split's incoming shift, in norms of the unit")
    reach: float = Field(1.0, gt=0, description="largest outgoing shift, in norms of the unit's outgoing weights")
    iterations: int = Field(2, ge=1, description="power iterations for the signed splits")
    damping: float = Field(0.1, gt=0, description="damping of curvature and second moments, in their mean")
    tolerance: float = Field(0.05, ge=0, description="how far above its prediction the held-out loss may end, relative")
    targets: Targets = Field("auto", description="what the network predicts; auto: classes if the batch has integers")

    def batches(self) -> int:
        return self.data

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in plan.items() if units > 0}
        objective, _ = context.needed("gradients")
        eligible = {name: context.eligible(name) for name in plan}
        problems = site_problems(context.model, context.graph, [context.sites[name] for name in plan], eligible)
        if not problems:
            return []
        surrogate = SurrogateProblem(context.model, objective, problems, self.targets)
        with eval_no_dropout(context.model):
            learned = self.learn(surrogate, context)
        found: list[Candidate] = []
        for problem in problems:
            name = problem.site.name
            found += splits(problem, learned, self.damping, self.reach, plan[name])
            if Removal in context.takes:
                found += removals(problem, learned.predictions[name].removal, learned.compensations[name])
        # A selector that understands removals checks what it chooses.
        return (
            found
            if Removal in context.takes
            else guarded(found, context, self.tolerance, lambda _, change: change <= 0)
        )

    def learn(self, surrogate: SurrogateProblem, context: GrowthContext) -> Learned:
        """Directions from one half of the batches, and what they do on the other; inside `eval_no_dropout`."""
        learning, judging = divided(context.batches)
        generator = context.generator
        directions = learn_symmetric(
            surrogate, in_parts(learning), self.steps, self.lr, self.cap, generator, report=context.report
        )
        signed = SignedSplits(surrogate, self.size, self.damping, generator)
        seen = [observe(surrogate, batch, generator) for batch in learning]
        signed.learn(seen, self.iterations)
        compensations = {p.site.name: bias_compensations(surrogate, context.graph, p, seen) for p in surrogate.problems}
        rescalings = (rescaling(surrogate, seen[-1], directions), rescaling(surrogate, seen[-1], signed.incoming))
        del seen
        every = [
            predict_changes(surrogate, observe(surrogate, batch, generator), directions, signed, compensations)
            for batch in judging
        ]
        predictions = {name: PredictedChanges.joined([p[name] for p in every]) for name in every[0]}
        return Learned(predictions, directions, signed, compensations, rescalings)

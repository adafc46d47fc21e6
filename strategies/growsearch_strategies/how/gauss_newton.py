"""Splits and removals learned and priced by the Gauss-Newton surrogate of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from growsearch.growth import Candidate, GrowthContext, GrowthRefused, Initializer
from growsearch_strategies.gauss_newton.candidates import removals, splits
from growsearch_strategies.gauss_newton.folding import Fold, folds_of
from growsearch_strategies.gauss_newton.joint import guarded
from growsearch_strategies.gauss_newton.normalisation import Rescaling, rescaling
from growsearch_strategies.gauss_newton.outputs import Targets
from growsearch_strategies.gauss_newton.passes import Scene, at_rest, observe
from growsearch_strategies.gauss_newton.places import places_of
from growsearch_strategies.gauss_newton.pricing import Prices, price
from growsearch_strategies.gauss_newton.signed import SignedSplits
from growsearch_strategies.gauss_newton.statistics import divided
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
    prices them, so that a price is not the lower for what was fitted to its own data. All statistics are those of
    evaluation mode, where batch normalisation is the affine map of its running statistics: per-sample gradients are
    exact there. The copies' normalisation is rescaled so that training mode computes the same. Sites that cannot be
    priced are left out.
    """

    summary: ClassVar[str] = "splits and removals learned and priced by a Gauss-Newton model of the loss"
    source: ClassVar[str] = (
        "Lawton et al. 2024, Learning Morphisms with Gauss-Newton Approximation for Growing Networks"
    )
    preserves: ClassVar[str] = "nothing: it changes the function, by as much as it predicts"
    why: ClassVar[str] = "every unit of every layer judged at once, and capacity that moves from layer to layer"
    usual: ClassVar[tuple[str, str]] = ("phases", "gauss_newton")
    exact: ClassVar[bool] = False

    data: int = Field(8, ge=1, description="batches of statistics: to learn from, to price on, and a held-out one")
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
        if context.objective is None or not context.batches:
            raise GrowthRefused("how: gauss_newton needs gradients: give objective=... and batches=...")
        eligible = {name: context.eligible(name) for name in plan}
        places = places_of(context.model, context.graph, [context.sites[name] for name in plan], eligible)
        if not places:
            return []
        scene = Scene(context.model, context.objective, places, self.targets)
        with at_rest(context.model):
            prices, directions, signed, folds, norms = self.learn(scene, context)
        found: list[Candidate] = []
        for place in places:
            name = place.site.name
            found += splits(place, prices[name], directions, signed, norms, self.damping, self.reach)[: plan[name]]
            if context.may_remove:
                found += removals(place, prices[name].removal, folds[name])
        # A selector that understands removals checks what it chooses.
        return found if context.may_remove else guarded(found, context, self.tolerance, lambda _, change: change <= 0)

    def learn(
        self, scene: Scene, context: GrowthContext
    ) -> tuple[dict[str, Prices], dict[str, Any], SignedSplits, dict[str, list[Fold]], tuple[Rescaling, Rescaling]]:
        """Prices by site, symmetric directions by producer, the signed splits, folds by site, and the normalisations'
        changes by symmetric and by signed splits; inside `at_rest`.
        """
        learning, pricing = divided(context.batches)
        directions = learn_symmetric(
            scene, learning, self.steps, self.lr, self.cap, context.generator, report=context.report
        )
        signed = SignedSplits(scene, self.size, self.damping, context.generator)
        seen = [observe(scene, batch, context.generator) for batch in learning]
        signed.learn(seen, self.iterations)
        folds = {p.site.name: folds_of(scene, context.graph, p, seen) for p in scene.places}
        norms = (rescaling(scene, seen[-1], directions), rescaling(scene, seen[-1], signed.incoming))
        del seen
        every = [price(scene, observe(scene, b, context.generator), directions, signed, folds) for b in pricing]
        return {name: Prices.joined([p[name] for p in every]) for name in every[0]}, directions, signed, folds, norms

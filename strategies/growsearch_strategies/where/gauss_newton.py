"""Where the Gauss-Newton model of the loss says that a parameter, or a FLOP, lowers it most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from growsearch.growth import ADDING, Candidate, GrowthContext, Kinds, Removal, Selector
from growsearch.growth.allowance import UNLIMITED
from growsearch.growth.ledger import Ledger
from growsearch_strategies.gauss_newton.division import divided
from growsearch_strategies.gauss_newton.external_candidates import with_effects
from growsearch_strategies.gauss_newton.joint import guarded, is_signed, scaled
from growsearch_strategies.gauss_newton.outputs import Targets

SMALLEST = 1e-30
NOTHING = 1e-12
"""A rate just above one at which the last candidate gains exactly what it costs."""


class GaussNewton(Selector):
    """Installs every change with `dL + rate * dR < 0`: dL the predicted change of the loss, dR what it costs.

    One rate governs splits, new units and removals, so capacity moves to where it is worth most; a unit is changed at
    most once in an event. Without a `penalty` the budget decides: the rate is the lowest at which the network, after
    the event, is within it, in the budget's own measure, and what that leaves goes to the next candidates in order of
    gain per cost. With `interactions`, changes are taken one by one, each judged beside those taken before:
    `mean(r) m + m' Q m / 2 + rate dR m` with `Q = E[q q']` is minimised greedily over m in {0, 1}.

    Candidates of `how: gauss_newton` come with their `r` and `q`; those of any other initializer are judged by the
    step that training would take first, at its best amplitude. Ours: what is chosen has its outgoing shifts scaled by
    one number in [0, 1], the best for all together (with interactions, each split the best beside those before), and
    is checked: what all do together must be predicted to pay, and the loss on a held-out batch must not end above the
    prediction by more than `tolerance` of the loss plus two standard errors, where a gain that was only promised counts
    as none. Otherwise only the better half is kept, and so on down to none. A network that is over its budget is pruned
    without that check.
    """

    summary: ClassVar[str] = "where a Gauss-Newton model of the loss sees most gain per parameter; removes units too"
    source: ClassVar[str] = (
        "Lawton et al. 2024, Learning Morphisms with Gauss-Newton Approximation for Growing Networks"
    )
    why: ClassVar[str] = "a network that uses its parameters, or its FLOPs, where they lower the loss most"
    finds_size: ClassVar[str] = "with a penalty: what no longer pays for itself is not added"
    takes: ClassVar[Kinds] = ADDING | {Removal}

    penalty: float | None = Field(None, ge=0, description="loss that one of `cost` may cost; null: by budget")
    cost: Literal["parameters", "flops"] = Field("parameters", description="what the penalty is for")
    interactions: bool = Field(True, description="whether changes are judged beside each other, or each alone")
    most: float = Field(0.5, gt=0, le=1, description="largest share of a site's units that an event splits, or removes")
    error_margin: float = Field(2.0, ge=0, description="standard errors that are added to what a removal costs")
    data: int = Field(4, ge=1, description="batches of statistics: to judge on, and a held-out one")
    damping: float = Field(0.1, gt=0, description="damping of the curvature of other initializers' candidates")
    tolerance: float = Field(0.05, ge=0, description="how far above its prediction the held-out loss may end, relative")
    targets: Targets = Field("auto", description="what the network predicts; auto: classes if the batch has integers")

    def batches(self) -> int:
        return self.data

    def plan(self, context: GrowthContext) -> dict[str, int]:
        plan = dict.fromkeys(context.depth_sites, 1)
        return plan | {name: self._most(site.units) for name, site in context.sites.items()}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        if any(c.effects is None for c in candidates):
            learning, judging = divided(context.batches)
            candidates = with_effects(candidates, context, learning, judging, self.targets, self.damping)
        over = context.ledger().over
        chosen = self._chosen(candidates, context, self.most)
        if over and _ledger(chosen, context).over:
            # Down to the budget, whatever it takes.
            chosen = self._chosen(candidates, context, 1.0)
        if over:
            return chosen
        kept = _fitting(guarded(chosen, context, self.tolerance, self._lowers_objective), context)
        return kept if self.penalty is not None else _without_idle(kept, context)

    def _chosen(self, candidates: Sequence[Candidate], context: GrowthContext, most: float) -> list[Candidate]:
        if self.penalty is not None:
            costs = [float(c.parameters if self.cost == "parameters" else c.flops) for c in candidates]
            return _fitting(self.chosen_at_rate(candidates, costs, self.penalty, context, most), context)
        costs, fits = _measure(candidates, context)
        rates = sorted({self._break_even_rate(c, cost) for c, cost in zip(candidates, costs, strict=True)} | {0.0})
        low, high = 0, len(rates) - 1
        while low < high:
            middle = (low + high) // 2
            rate = rates[middle] * (1 + NOTHING)
            if fits(self.chosen_at_rate(candidates, costs, rate, context, most)):
                high = middle
            else:
                low = middle + 1
        picked = self.chosen_at_rate(candidates, costs, rates[low] * (1 + NOTHING), context, most)
        return _filled(picked, self.chosen_at_rate(candidates, costs, 0.0, context, most), costs, candidates, context)

    def chosen_at_rate(
        self, candidates: Sequence[Candidate], costs: Sequence[float], rate: float, context: GrowthContext, most: float
    ) -> list[Candidate]:
        """What lowers the loss by more than it costs at this rate, best first; at most one change of a unit.

        Args:
            candidates: with their effects.
            costs: of each, in the measure of the rate.
            rate: loss that one of the cost is worth.
            context: the event.
            most: largest share of a site's units that are added, or removed.
        """
        limits = {name: self._most(site.units, most) for name, site in context.sites.items()}
        given: Counter[tuple[str, bool]] = Counter()
        changed: set[tuple[str, int]] = set()

        def allowed(c: Candidate) -> bool:
            full = c.site in limits and given[c.site, c.adds] >= limits[c.site]
            return not full and (c.unit is None or (c.site, c.unit) not in changed)

        def take(c: Candidate) -> None:
            given[c.site, c.adds] += 1
            if c.unit is not None:
                changed.add((c.site, c.unit))

        pick = _one_by_one if self.interactions else _each_alone
        cost_terms = [rate * cost + self._error_margin(c) for c, cost in zip(candidates, costs, strict=True)]
        return pick(candidates, cost_terms, allowed, take)

    def _error_margin(self, candidate: Candidate) -> float:
        """What is added to the predicted change of a removal: the cheapest of many are cheap by chance."""
        r, q = _effects(candidate)
        if candidate.adds or len(r) < 2:
            return 0.0
        error: float = float((r + 0.5 * q.square()).std()) / math.sqrt(len(r))
        return self.error_margin * error

    def _break_even_rate(self, candidate: Candidate, cost: float) -> float:
        """The rate at which it stops, or (a removal) begins, to pay."""
        return max(0.0, -(predicted_change(candidate) + self._error_margin(candidate)) / cost) if cost else 0.0

    def _lowers_objective(self, candidates: Sequence[Candidate], change: float) -> bool:
        """Whether all together lower the loss, or (with a penalty) free more than the loss that they cost."""
        freed = sum(c.parameters if self.cost == "parameters" else c.flops for c in candidates)
        return change + (self.penalty or 0.0) * freed <= 0

    def _most(self, units: int, share: float | None = None) -> int:
        return max(1, math.ceil((share or self.most) * units))


Test = Callable[[Candidate], bool]
Take = Callable[[Candidate], None]


def _each_alone(
    candidates: Sequence[Candidate], cost_terms: Sequence[float], allowed: Test, take: Take
) -> list[Candidate]:
    values = [
        (predicted_change(c) + cost_term, i)
        for i, (c, cost_term) in enumerate(zip(candidates, cost_terms, strict=True))
    ]
    found = []
    for value, i in sorted(values):
        if value < 0 and allowed(candidates[i]):
            take(candidates[i])
            found.append(candidates[i])
    return found


def _one_by_one(
    candidates: Sequence[Candidate], cost_terms: Sequence[float], allowed: Test, take: Take
) -> list[Candidate]:
    """Greedy minimisation of the joint surrogate: the next is that which lowers it most beside those taken.

    A signed split takes the amplitude in [0, 1] that is best beside those taken, so that it never overshoots with them;
    so does the first step of training of what leaves the function as it is.
    """
    if not candidates:
        return []
    r = torch.stack([_effects(c)[0] for c in candidates], 1).mean(0)
    q = torch.stack([_effects(c)[1] for c in candidates], 1)
    curvature, cost_term = q.square().mean(0), torch.tensor(cost_terms).to(r)
    free = torch.tensor([is_signed(c) or c.exact for c in candidates], device=r.device)
    total = torch.zeros_like(q[:, 0])
    left = torch.ones_like(free)
    found: list[Candidate] = []
    while bool(left.any()):
        slope = r + q.T @ total / len(q)
        best = (-slope / curvature.clamp_min(SMALLEST)).clamp(0.0, 1.0)
        amplitude = torch.where(free, best, torch.ones_like(best))
        values = amplitude * slope + 0.5 * amplitude.square() * curvature + cost_term
        best_index = int(torch.where(left, values, torch.inf).argmin())
        if float(values[best_index]) > 0:
            break
        left[best_index] = False
        if allowed(candidates[best_index]):
            take(candidates[best_index])
            total = total + amplitude[best_index] * q[:, best_index]
            found.append(scaled(candidates[best_index], float(amplitude[best_index])))
    return found


def predicted_change(candidate: Candidate) -> float:
    """The predicted change of the loss by one candidate alone."""
    r, q = _effects(candidate)
    return float(r.mean() + 0.5 * q.square().mean())


def _effects(candidate: Candidate) -> tuple[Tensor, Tensor]:
    assert candidate.effects is not None
    return candidate.effects


def _measure(
    candidates: Sequence[Candidate], context: GrowthContext
) -> tuple[list[float], Callable[[Sequence[Candidate]], bool]]:
    """Costs in the budget's measure, and whether the network is within it with some candidates installed."""
    allowance = context.allowance
    if allowance.parameters < UNLIMITED:
        return [float(c.parameters) for c in candidates], lambda chosen: not _ledger(chosen, context).over
    if allowance.flops < UNLIMITED:
        return [float(c.flops) for c in candidates], lambda chosen: not _ledger(chosen, context).over
    gained = [float(c.gain) for c in candidates]
    return gained, lambda chosen: sum(c.gain for c in chosen) <= allowance.units


def _ledger(chosen: Sequence[Candidate], context: GrowthContext) -> Ledger:
    """All of them, whether the allowance covers them or not."""
    ledger = context.ledger()
    for c in chosen:
        ledger.count(c)
    return ledger


def _filled(
    picked: Sequence[Candidate],
    wanted: Sequence[Candidate],
    costs: Sequence[float],
    candidates: Sequence[Candidate],
    context: GrowthContext,
) -> list[Candidate]:
    """What was picked, and of what else would gain, by gain per cost, all that still fits."""
    cost_of = {_key(c): cost for c, cost in zip(candidates, costs, strict=True)}
    removals = [c for c in picked if not c.adds]
    gone = {(c.site, c.unit) for c in removals}
    first = {_key(c) for c in picked}
    more = [c for c in wanted if c.adds and _key(c) not in first and (c.unit is None or (c.site, c.unit) not in gone)]
    more.sort(key=lambda c: predicted_change(c) / cost_of[_key(c)])
    return _fitting([*removals, *(c for c in picked if c.adds), *more], context)


def _key(candidate: Candidate) -> tuple[str, int, bool]:
    return candidate.site, candidate.index, candidate.adds


def _fitting(chosen: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
    """Removals, then what fits beside them."""
    ledger = context.ledger()
    removals = [c for c in chosen if not c.adds and ledger.take(c)]
    return removals + [c for c in chosen if c.adds and ledger.take(c)]


def _without_idle(chosen: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
    """Without removals that cost loss and make room for nothing, now that the guard has dropped what they were for."""
    kept = list(chosen)
    fits = _measure(kept, context)[1]
    for c in sorted((c for c in chosen if not c.adds and predicted_change(c) > 0), key=lambda c: -predicted_change(c)):
        rest = [other for other in kept if other is not c]
        if fits(rest):
            kept = rest
    return kept

"""What every split and every removal of every unit would do to the loss, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from growsearch_strategies.gauss_newton.bias_compensation import BiasCompensation
from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.passes import Key, Seen, both_inputs, unit_products
from growsearch_strategies.gauss_newton.signed import SignedSplits, secant, signed_products
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.gauss_newton.symmetric import half_sum


@dataclass(frozen=True)
class SampleEffects:
    """First-order effects `r` and random curvature roots `q` of changes, `[samples, units]`."""

    r: Tensor
    q: Tensor

    def change(self) -> Tensor:
        """The predicted change of the loss by each: `mean(r) + mean(q^2) / 2`."""
        return self.r.mean(0) + 0.5 * self.q.square().mean(0)

    @staticmethod
    def joined(effects: Sequence[SampleEffects]) -> SampleEffects:
        """Those of several batches."""
        return SampleEffects(torch.cat([e.r for e in effects]), torch.cat([e.q for e in effects]))


@dataclass(frozen=True)
class PredictedChanges:
    """Of one site: symmetric splits, removals, and signed splits by their outgoing amplitude t: `flat + t * slope`."""

    symmetric: SampleEffects
    removal: SampleEffects
    flat: SampleEffects | None = None
    slope: SampleEffects | None = None

    def amplitudes(self, damping: float, reach: float) -> Tensor:
        """The best amplitude of each signed split, its curvature damped by a share of the mean, at most `reach`."""
        assert self.flat is not None and self.slope is not None
        curvature = self.slope.q.square().mean(0)
        descent = self.slope.r.mean(0) + (self.flat.q * self.slope.q).mean(0)
        best = -descent / (curvature + damping * curvature.mean()).clamp_min(1e-30)
        return best.clamp(-reach, reach)

    def signed(self, amplitudes: Tensor) -> SampleEffects:
        """The signed splits at these amplitudes."""
        assert self.flat is not None and self.slope is not None
        return SampleEffects(self.flat.r + amplitudes * self.slope.r, self.flat.q + amplitudes * self.slope.q)

    @staticmethod
    def joined(predictions: Sequence[PredictedChanges]) -> PredictedChanges:
        """Those of several batches."""
        flats = [p.flat for p in predictions if p.flat is not None]
        slopes = [p.slope for p in predictions if p.slope is not None]
        return PredictedChanges(
            SampleEffects.joined([p.symmetric for p in predictions]),
            SampleEffects.joined([p.removal for p in predictions]),
            SampleEffects.joined(flats) if flats else None,
            SampleEffects.joined(slopes) if slopes else None,
        )


@torch.no_grad()
def predict_changes(
    surrogate: SurrogateProblem,
    seen: Seen,
    symmetric: Mapping[str, Tensor],
    signed: SignedSplits,
    compensations: Mapping[str, Sequence[BiasCompensation]],
) -> dict[str, PredictedChanges]:
    """The predicted changes by site, on one batch; four runs of the network.

    Args:
        surrogate: the problem.
        seen: one batch.
        symmetric: directions of symmetric splits.
        signed: the signed splits.
        compensations: of removals, by site.
    """
    change = half_sum(seen, *both_inputs(surrogate, seen, symmetric))
    plus, minus = both_inputs(surrogate, seen, signed.incoming)
    even, odd = half_sum(seen, plus, minus), secant(plus, minus)
    slopes = iter(signed_products(surrogate, seen, signed.outgoing, odd))
    found = {}
    for problem in surrogate.problems:
        flat = SampleEffects(*unit_products(surrogate, seen, problem, even)) if problem.signed else None
        slope = SampleEffects(*next(slopes)) if problem.signed else None
        removal = _removal(surrogate, seen, problem.site.name, compensations)
        found[problem.site.name] = PredictedChanges(
            SampleEffects(*unit_products(surrogate, seen, problem, change)), removal, flat, slope
        )
    return found


def _removal(
    surrogate: SurrogateProblem, seen: Seen, site: str, compensations: Mapping[str, Sequence[BiasCompensation]]
) -> SampleEffects:
    """The activation goes to zero, and its mean into what takes it over: positions that see padding differ."""
    problem = next(p for p in surrogate.problems if p.site.name == site)
    gone: dict[Key, Tensor] = {
        key: -wide(seen.inputs[key]) for end in problem.consumers for key in seen.keys(end.module)
    }
    r, q = unit_products(surrogate, seen, problem, gone)
    axes = {end.module: end.axis for end in problem.consumers}
    for compensation in compensations.get(site, ()):
        for key in seen.keys(compensation.module):
            if key in seen.loss_out:
                r = r + _by_sample(seen.loss_out[key], axes[compensation.module], seen, compensation.lost)
                q = q + _by_sample(seen.label_out[key], axes[compensation.module], seen, compensation.lost)
    return SampleEffects(r, q)


def _by_sample(gradient: Tensor, axis: int, seen: Seen, lost: Tensor) -> Tensor:
    """Per-sample products `[samples, units]` of the gradient at a consumer's output and what every position loses."""
    last = gradient.movedim(axis, -1)
    return last.reshape(seen.samples, -1, len(lost)).sum(1) @ lost

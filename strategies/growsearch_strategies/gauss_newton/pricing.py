"""What every split and every removal of every unit would do to the loss, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from growsearch_strategies.gauss_newton.folding import Fold
from growsearch_strategies.gauss_newton.passes import Key, Scene, Seen, displaced, unit_products, wide
from growsearch_strategies.gauss_newton.signed import SignedSplits, secant, signed_products
from growsearch_strategies.gauss_newton.symmetric import half_sum


@dataclass(frozen=True)
class Effect:
    """First-order effects `r` and random curvature roots `q` of changes, `[samples, units]`."""

    r: Tensor
    q: Tensor

    def change(self) -> Tensor:
        """The predicted change of the loss by each: `mean(r) + mean(q^2) / 2`."""
        return self.r.mean(0) + 0.5 * self.q.square().mean(0)

    @staticmethod
    def joined(effects: Sequence[Effect]) -> Effect:
        """Those of several batches."""
        return Effect(torch.cat([e.r for e in effects]), torch.cat([e.q for e in effects]))


@dataclass(frozen=True)
class Prices:
    """Of one place: symmetric splits, removals, and signed splits by their outgoing amplitude t: `flat + t * slope`."""

    symmetric: Effect
    removal: Effect
    flat: Effect | None = None
    slope: Effect | None = None

    def amplitudes(self, damping: float, reach: float) -> Tensor:
        """The best amplitude of each signed split, its curvature damped by a share of the mean, at most `reach`."""
        assert self.flat is not None and self.slope is not None
        curvature = self.slope.q.square().mean(0)
        descent = self.slope.r.mean(0) + (self.flat.q * self.slope.q).mean(0)
        best = -descent / (curvature + damping * curvature.mean()).clamp_min(1e-30)
        return best.clamp(-reach, reach)

    def signed(self, amplitudes: Tensor) -> Effect:
        """The signed splits at these amplitudes."""
        assert self.flat is not None and self.slope is not None
        return Effect(self.flat.r + amplitudes * self.slope.r, self.flat.q + amplitudes * self.slope.q)

    @staticmethod
    def joined(prices: Sequence[Prices]) -> Prices:
        """Those of several batches."""
        flats = [p.flat for p in prices if p.flat is not None]
        slopes = [p.slope for p in prices if p.slope is not None]
        return Prices(
            Effect.joined([p.symmetric for p in prices]),
            Effect.joined([p.removal for p in prices]),
            Effect.joined(flats) if flats else None,
            Effect.joined(slopes) if slopes else None,
        )


@torch.no_grad()
def price(
    scene: Scene,
    seen: Seen,
    symmetric: Mapping[str, Tensor],
    signed: SignedSplits,
    folds: Mapping[str, Sequence[Fold]],
) -> dict[str, Prices]:
    """Prices of all places by site, on one batch; four runs of the network."""
    change = half_sum(seen, displaced(scene, seen, symmetric, 1.0), displaced(scene, seen, symmetric, -1.0))
    plus, minus = (displaced(scene, seen, signed.incoming, sign) for sign in (1.0, -1.0))
    even, odd = half_sum(seen, plus, minus), secant(plus, minus)
    slopes = iter(signed_products(scene, seen, signed.outgoing, odd))
    found = {}
    for place in scene.places:
        flat = Effect(*unit_products(scene, seen, place, even)) if place.signed else None
        slope = Effect(*next(slopes)) if place.signed else None
        removal = _removal(scene, seen, place.site.name, folds)
        found[place.site.name] = Prices(Effect(*unit_products(scene, seen, place, change)), removal, flat, slope)
    return found


def _removal(scene: Scene, seen: Seen, site: str, folds: Mapping[str, Sequence[Fold]]) -> Effect:
    """The activation goes to zero, and its mean into what takes it over: positions that see padding differ."""
    place = next(p for p in scene.places if p.site.name == site)
    gone: dict[Key, Tensor] = {key: -wide(seen.inputs[key]) for end in place.consumers for key in seen.keys(end.module)}
    r, q = unit_products(scene, seen, place, gone)
    axes = {end.module: end.axis for end in place.consumers}
    for fold in folds.get(site, ()):
        for key in seen.keys(fold.module):
            if key in seen.loss_out:
                r = r + _by_sample(seen.loss_out[key], axes[fold.module], seen, fold.lost)
                q = q + _by_sample(seen.label_out[key], axes[fold.module], seen, fold.lost)
    return Effect(r, q)


def _by_sample(gradient: Tensor, axis: int, seen: Seen, lost: Tensor) -> Tensor:
    """Per-sample products `[samples, units]` of the gradient at a consumer's output and what every position loses."""
    last = gradient.movedim(axis, -1)
    return last.reshape(seen.samples, -1, len(lost)).sum(1) @ lost

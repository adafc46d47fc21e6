"""From prices to candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from growsearch.growth import Candidate
from growsearch.growth.candidate import FillKey
from growsearch_strategies.gauss_newton.folding import Fold
from growsearch_strategies.gauss_newton.normalisation import Rescaling, unit_rescaling
from growsearch_strategies.gauss_newton.places import End, Place
from growsearch_strategies.gauss_newton.pricing import Effect, Prices
from growsearch_strategies.gauss_newton.signed import SignedSplits


def splits(
    place: Place,
    prices: Prices,
    symmetric: Mapping[str, Tensor],
    signed: SignedSplits,
    norms: tuple[Rescaling, Rescaling],
    damping: float,
    reach: float,
) -> list[Candidate]:
    """For every eligible unit the better of its two splits, best first; `norms` go with the one and the other."""
    even = symmetric_splits(place, prices.symmetric, symmetric, norms[0])
    if prices.slope is None:
        return ranked(even)
    odd = signed_splits(place, prices, signed, prices.amplitudes(damping, reach), norms[1])
    return ranked([min(pair, key=_predicted) for pair in zip(even, odd, strict=True)])


def symmetric_splits(
    place: Place, effect: Effect, shifts: Mapping[str, Tensor], norms: Rescaling | None = None
) -> list[Candidate]:
    """One symmetric split for every eligible unit."""
    return [
        _split(
            place,
            unit,
            effect,
            {**_opposite(place.producers, shifts, unit), **unit_rescaling(place, norms or {}, unit)},
        )
        for unit in place.units
    ]


def signed_splits(
    place: Place, prices: Prices, signed: SignedSplits, amplitudes: Tensor, norms: Rescaling | None = None
) -> list[Candidate]:
    """One signed split for every eligible unit."""
    effect, incoming = prices.signed(amplitudes), signed.incoming
    return [
        _split(
            place,
            unit,
            effect,
            {
                **_opposite(place.producers, incoming, unit),
                **_opposite(place.consumers, signed.outgoing, unit, float(amplitudes[unit])),
                **unit_rescaling(place, norms or {}, unit),
            },
        )
        for unit in place.units
    ]


def removals(place: Place, effect: Effect, folds: Sequence[Fold]) -> list[Candidate]:
    """The removal of every eligible unit, cheapest first."""
    site, change = place.site, effect.change()
    found = []
    for unit in place.units:
        offsets: dict[str, Tensor] = {}
        for fold in folds:
            own = fold.offset(unit)
            offsets[fold.tensor] = offsets[fold.tensor] + own if fold.tensor in offsets else own
        found.append(
            Candidate(
                site=site.name,
                index=unit,
                parameters=-site.parameters_per_unit,
                flops=-site.flops_per_unit,
                removes=unit,
                offsets=offsets,
                score=-float(change[unit]),
                exact=False,
                predicted=float(change[unit]),
                effects=(effect.r[:, unit], effect.q[:, unit]),
            )
        )
    return ranked(found)


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Lowest predicted loss first, numbered in that order."""
    return [replace(c, index=index) for index, c in enumerate(sorted(candidates, key=_predicted))]


def _predicted(candidate: Candidate) -> float:
    return candidate.predicted if candidate.predicted is not None else 0.0


def _split(place: Place, unit: int, effect: Effect, shifts: Mapping[FillKey, tuple[Tensor, Tensor]]) -> Candidate:
    r, q = effect.r[:, unit], effect.q[:, unit]
    change = float(r.mean() + 0.5 * q.square().mean())
    return Candidate(
        site=place.site.name,
        index=unit,
        parameters=place.site.parameters_per_unit,
        flops=place.site.flops_per_unit,
        source=unit,
        shifts=shifts,
        score=-change,
        exact=False,
        predicted=change,
        effects=(r, q),
    )


def _opposite(
    ends: Sequence[End], values: Mapping[str, Tensor], unit: int, factor: float = 1.0
) -> dict[FillKey, tuple[Tensor, Tensor]]:
    """A unit's slices, added to the source and taken from the copy."""
    found = {}
    for end in ends:
        own = factor * end.slices(values[end.module].detach(), unit)
        found[end.use.tensor, end.use.axis] = (own, -own)
    return found

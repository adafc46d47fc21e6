"""From predictions to candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from growsearch.growth import Candidate, Removal, Split
from growsearch.growth.candidate import FillKey
from growsearch_strategies.gauss_newton.bias_compensation import BiasCompensation
from growsearch_strategies.gauss_newton.normalisation import Rescaling, unit_rescaling
from growsearch_strategies.gauss_newton.predicted_changes import PredictedChanges, SampleEffects
from growsearch_strategies.gauss_newton.signed import SignedSplits
from growsearch_strategies.gauss_newton.site_problems import End, SiteProblem


@dataclass(frozen=True)
class Learned:
    """What was learned about the units of all sites.

    `predictions` and `compensations` by site, symmetric `directions` by producer, and `rescalings`: what the
    normalisations take over from symmetric and from signed splits.
    """

    predictions: Mapping[str, PredictedChanges]
    directions: Mapping[str, Tensor]
    signed: SignedSplits
    compensations: Mapping[str, Sequence[BiasCompensation]]
    rescalings: tuple[Rescaling, Rescaling]


def splits(problem: SiteProblem, learned: Learned, damping: float, reach: float, count: int) -> list[Candidate]:
    """For the `count` eligible units that gain most the better of their two splits, best first.

    Args:
        problem: the site.
        learned: directions, and what they do.
        damping: of the curvature by a signed split's amplitude, in its mean over the units.
        reach: largest such amplitude.
        count: of candidates.
    """
    predictions, units = learned.predictions[problem.site.name], list(problem.units)
    even = odd = predictions.symmetric.change()[units]
    if predictions.slope is not None:
        amplitudes = predictions.amplitudes(damping, reach)
        odd = predictions.signed(amplitudes).change()[units]
    best = torch.minimum(even, odd).argsort(stable=True)[:count].tolist()
    signed = [units[place] for place in best if odd[place] < even[place]]
    found = symmetric_splits(
        problem,
        predictions.symmetric,
        learned.directions,
        learned.rescalings[0],
        [units[place] for place in best if not odd[place] < even[place]],
    )
    if signed:
        found += signed_splits(problem, predictions, learned.signed, amplitudes, learned.rescalings[1], signed)
    return ranked(found)


def symmetric_splits(
    problem: SiteProblem,
    effect: SampleEffects,
    shifts: Mapping[str, Tensor],
    norms: Rescaling | None = None,
    units: Sequence[int] | None = None,
) -> list[Candidate]:
    """One symmetric split for each of `units`.

    Args:
        problem: the site.
        effect: of each split.
        shifts: by producer.
        norms: changes of normalisations.
        units: that are split; None: all that are eligible.
    """
    return [
        _split(
            problem,
            unit,
            effect,
            {**_opposite(problem.producers, shifts, unit), **unit_rescaling(problem, norms or {}, unit)},
        )
        for unit in (problem.units if units is None else units)
    ]


def signed_splits(
    problem: SiteProblem,
    predictions: PredictedChanges,
    signed: SignedSplits,
    amplitudes: Tensor,
    norms: Rescaling | None = None,
    units: Sequence[int] | None = None,
) -> list[Candidate]:
    """One signed split for each of `units`.

    Args:
        problem: the site.
        predictions: of its changes.
        signed: the splits.
        amplitudes: of each.
        norms: changes of normalisations.
        units: that are split; None: all that are eligible.
    """
    effect, incoming = predictions.signed(amplitudes), signed.incoming
    return [
        _split(
            problem,
            unit,
            effect,
            {
                **_opposite(problem.producers, incoming, unit),
                **_opposite(problem.consumers, signed.outgoing, unit, float(amplitudes[unit])),
                **unit_rescaling(problem, norms or {}, unit),
            },
        )
        for unit in (problem.units if units is None else units)
    ]


def removals(problem: SiteProblem, effect: SampleEffects, compensations: Sequence[BiasCompensation]) -> list[Candidate]:
    """The removal of every eligible unit, least harmful first."""
    site, change = problem.site, effect.change()
    found = []
    for unit in problem.units:
        offsets: dict[str, Tensor] = {}
        for compensation in compensations:
            own = compensation.offset(unit)
            offsets[compensation.tensor] = offsets[compensation.tensor] + own if compensation.tensor in offsets else own
        found.append(
            Removal(
                site=site.name,
                index=unit,
                parameters=-site.parameters_per_unit,
                flops=-site.flops_per_unit,
                removed=unit,
                offsets=offsets,
                score=-float(change[unit]),
                exact=False,
                predicted_change=float(change[unit]),
                effects=(effect.r[:, unit], effect.q[:, unit]),
            )
        )
    return ranked(found)


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Lowest predicted loss first, numbered in that order."""
    return [replace(c, index=index) for index, c in enumerate(sorted(candidates, key=_predicted))]


def _predicted(candidate: Candidate) -> float:
    return candidate.predicted_change if candidate.predicted_change is not None else 0.0


def _split(
    problem: SiteProblem, unit: int, effect: SampleEffects, shifts: Mapping[FillKey, tuple[Tensor, Tensor]]
) -> Candidate:
    r, q = effect.r[:, unit], effect.q[:, unit]
    change = float(r.mean() + 0.5 * q.square().mean())
    return Split(
        site=problem.site.name,
        index=unit,
        parameters=problem.site.parameters_per_unit,
        flops=problem.site.flops_per_unit,
        source=unit,
        shifts=shifts,
        score=-change,
        exact=False,
        predicted_change=change,
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

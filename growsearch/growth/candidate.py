"""A candidate: one morphism with the tensors that it would install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from growsearch.graph import AxisUse, Site
from growsearch.surgery import AxisEdit, Insertion, site_edits

FillKey = tuple[str, int]


@dataclass(frozen=True)
class Candidate:
    """One more unit at a site, or one more layer at a depth site.

    `fills` gives, for `(tensor, axis)`, the unit's values at its new positions on that axis (run after run); `source`
    is the unit it copies, if it is a split, with `share` its part of the outgoing weights before those of all copies
    are scaled to sum 1. `score` is the initializer's own estimate of its worth, larger is better. `parameters` and
    `flops` are what it costs.
    """

    site: str
    index: int
    parameters: int
    flops: int
    fills: Mapping[FillKey, Tensor] = field(default_factory=dict)
    source: int | None = None
    share: float = 1.0
    score: float | None = None
    insertion: Insertion | None = None


def edits_of(site: Site, candidates: Sequence[Candidate]) -> list[AxisEdit]:
    """The edits that add all `candidates`, each one unit of `site`, behind the existing units."""
    source = [*range(site.units), *(-1 if c.source is None else c.source for c in candidates)]
    new = [c for c in candidates if c.source is None]
    fills = {}
    for use in site.axes:
        parts = [c.fills[use.tensor, use.axis] for c in new if (use.tensor, use.axis) in c.fills]
        if parts:
            fills[use.tensor, use.axis] = _joined(use, parts)
    shares = _shares(site, candidates)
    scales = {(u.tensor, u.axis): shares for u in site.axes if u.role == "in"} if shares else {}
    return site_edits(site, source, fills, scales)


def _joined(use: AxisUse, parts: Sequence[Tensor]) -> Tensor:
    """The units' values in the order of the axis: run after run, within a run unit after unit."""
    runs = [torch.split(part, [run.repeat for run in use.runs], use.axis) for part in parts]
    return torch.cat([unit[run] for run in range(len(use.runs)) for unit in runs], use.axis)


def _shares(site: Site, candidates: Sequence[Candidate]) -> tuple[float, ...] | None:
    """Factor of every unit's outgoing weights, old units first; the copies of a unit sum to 1."""
    copies = [c for c in candidates if c.source is not None]
    if not copies:
        return None
    totals = {c.source: 1.0 for c in copies}
    for c in copies:
        totals[c.source] += c.share
    old = [1.0 / totals.get(unit, 1.0) for unit in range(site.units)]
    return (*old, *(1.0 if c.source is None else c.share / totals[c.source] for c in candidates))

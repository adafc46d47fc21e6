"""A candidate: one morphism with the tensors that it would install."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from growsearch.errors import GrowthRefused
from growsearch.graph import AxisUse, NetworkGraph, Site
from growsearch.surgery import AxisEdit, Edit, Insertion, MaskEdit, Offset, SiteEdit, site_edits

FillKey = tuple[str, int]


@dataclass(frozen=True)
class Candidate:
    """One change: a new unit, a split of a unit or its removal at a site, or a new layer at a depth site.

    A new unit's `fills` give, for `(tensor, axis)`, its values at its new positions on that axis (run after run). A
    split copies the unit `source`; `share` is its part of the outgoing weights before those of all copies are scaled to
    sum 1, and `shifts` are added to (the source, the copy) afterwards, laid out as fills. A removal takes out the unit
    `removes`; its `offsets` are added to whole tensors as they were before the event (the bias that takes over the
    unit's mean). Where weights have masks, a new unit that is `sparse` starts with its connections that hold 0 dormant;
    `rewires` regrows or prunes connections of one weight, and is no unit. `dormant` is by how many dormant
    connections there are more.

    `parameters` and `flops` are what it costs, negative where it frees them. `exact` tells that the network's function
    stays as it is; elsewhere `predicted_change` is by how much it is expected to change the objective. `effects` are,
    where known, what it does to the loss of single samples: two numbers each, first order and root of the curvature.
    `score` is the initializer's own estimate, larger is better.
    """

    site: str
    index: int
    parameters: int
    flops: int
    fills: Mapping[FillKey, Tensor] = field(default_factory=dict)
    source: int | None = None
    share: float = 1.0
    shifts: Mapping[FillKey, tuple[Tensor, Tensor]] = field(default_factory=dict)
    removes: int | None = None
    offsets: Mapping[str, Tensor] = field(default_factory=dict)
    score: float | None = None
    insertion: Insertion | None = None
    exact: bool = True
    predicted_change: float | None = None
    effects: tuple[Tensor, Tensor] | None = field(default=None, repr=False, compare=False)
    rewires: MaskEdit | None = None
    sparse: bool = False
    dormant: int = 0

    @property
    def adds(self) -> bool:
        """Whether it adds a unit or a layer."""
        return self.removes is None and self.rewires is None

    @property
    def unit(self) -> int | None:
        """The existing unit that it changes: splits or removes."""
        return self.source if self.removes is None else self.removes


def edits_of(site: Site, candidates: Sequence[Candidate]) -> list[Edit]:
    """The edits that install all `candidates` of `site`: what stays of its units in order, and the new ones behind.

    Raises `GrowthRefused` where a unit is removed and split, or split with shifts and split again.
    """
    _check_compatible(site, candidates)
    removed = {c.removes for c in candidates if c.removes is not None}
    kept = [unit for unit in range(site.units) if unit not in removed]
    adding = [c for c in candidates if c.adds]
    source = [*kept, *(-1 if c.source is None else c.source for c in adding)]
    new = [c for c in adding if c.source is None]
    fills = {}
    for use in site.axes:
        parts = [c.fills[use.tensor, use.axis] for c in new if (use.tensor, use.axis) in c.fills]
        if parts:
            fills[use.tensor, use.axis] = _joined(use, parts)
    shares = _shares(kept, adding)
    scales = {(u.tensor, u.axis): shares for u in site.axes if u.role == "in"} if shares else {}
    offsets = [Offset(name, value) for c in candidates for name, value in c.offsets.items()]
    edits = site_edits(site, source, fills, scales, _shifts(kept, adding))
    return [*offsets, *(_thinned(edits, new) if any(c.sparse for c in new) else edits)]


def _thinned(edits: Sequence[SiteEdit], new: Sequence[Candidate]) -> list[SiteEdit]:
    """The edits whose new positions are dormant where they hold 0."""
    keys = {key for c in new if c.sparse for key in c.fills}
    return [
        replace(edit, sparse=(edit.tensor, edit.axis) in keys) if isinstance(edit, AxisEdit) else edit for edit in edits
    ]


def planned_edits(graph: NetworkGraph, chosen: Sequence[Candidate]) -> list[Edit]:
    """All edits of `chosen`: those of masks, site by site, then the insertions."""
    by_site: dict[str, list[Candidate]] = {}
    for c in chosen:
        if c.insertion is None and c.rewires is None:
            by_site.setdefault(c.site, []).append(c)
    edits: list[Edit] = [c.rewires for c in chosen if c.rewires is not None]
    for name, group in by_site.items():
        edits += edits_of(graph.sites[name], group)
    return edits + [c.insertion for c in chosen if c.insertion is not None]


def _check_compatible(site: Site, candidates: Sequence[Candidate]) -> None:
    uses = Counter(c.unit for c in candidates if c.unit is not None)
    for c in candidates:
        if c.unit is not None and uses[c.unit] > 1 and (c.shifts or not c.adds):
            raise GrowthRefused(f"site {site.name!r}: unit {c.unit} is changed twice in one event; choose one change")


def _shifts(kept: Sequence[int], adding: Sequence[Candidate]) -> dict[FillKey, dict[int, Tensor]]:
    """What is added to a unit, by its place among the units of after."""
    shifts: dict[FillKey, dict[int, Tensor]] = {}
    for place, c in enumerate(adding, len(kept)):
        for key, (first, second) in c.shifts.items():
            assert c.source is not None
            shifts.setdefault(key, {}).update({kept.index(c.source): first, place: second})
    return shifts


def _joined(use: AxisUse, parts: Sequence[Tensor]) -> Tensor:
    """The units' values in the order of the axis: run after run, within a run unit after unit."""
    runs = [torch.split(part, [run.repeat for run in use.runs], use.axis) for part in parts]
    return torch.cat([unit[run] for run in range(len(use.runs)) for unit in runs], use.axis)


def _shares(kept: Sequence[int], adding: Sequence[Candidate]) -> tuple[float, ...] | None:
    """Factor of every unit's outgoing weights, kept units first; the copies of a unit sum to 1."""
    copies = [c for c in adding if c.source is not None]
    if not copies:
        return None
    totals = {c.source: 1.0 for c in copies}
    for c in copies:
        totals[c.source] += c.share
    old = [1.0 / totals.get(unit, 1.0) for unit in kept]
    return (*old, *(1.0 if c.source is None else c.share / totals[c.source] for c in adding))

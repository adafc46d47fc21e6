"""From candidates to the edits that install them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from growsearch.errors import GrowthRefused
from growsearch.graph import AxisUse, NetworkGraph, Site
from growsearch.growth.candidate import (
    Candidate,
    FillKey,
    NewLayer,
    NewUnit,
    Removal,
    Rewiring,
    Split,
    StackedBlock,
    WidthChange,
)
from growsearch.surgery import AttributeEdit, AxisEdit, BlockInsertion, Edit, Offset, SiteEdit, site_edits


def planned_edits(graph: NetworkGraph, chosen: Sequence[Candidate]) -> list[Edit]:
    """All edits of `chosen`: those of masks, site by site, then the insertions of layers and of blocks."""
    by_site: dict[str, list[WidthChange]] = {}
    for c in chosen:
        if isinstance(c, WidthChange):
            by_site.setdefault(c.site, []).append(c)
    edits: list[Edit] = [c.edit for c in chosen if isinstance(c, Rewiring)]
    for name, group in by_site.items():
        edits += edits_of(graph.sites[name], group)
    edits += [c.insertion for c in chosen if isinstance(c, NewLayer)]
    return edits + _block_insertions(graph, [c for c in chosen if isinstance(c, StackedBlock)])


def _block_insertions(graph: NetworkGraph, copies: Sequence[StackedBlock]) -> list[BlockInsertion]:
    """One insertion for each site and way; of several sites in one container the last one first, so numbers hold."""
    found = []
    for name in reversed(list(graph.block_sites)):
        own = sorted((c for c in copies if c.site == name), key=lambda c: c.index)
        if not own:
            continue
        site, first = graph.block_sites[name], own[0]
        ways = {(c.zeroed, c.optimizer_state, c.rescaled) for c in own}
        if len(ways) > 1:
            raise GrowthRefused(
                f"block site {name!r}: copies that start in different ways; make them in several events"
            )
        factor = math.sqrt(site.blocks / (site.blocks + len(own))) if first.rescaled else 1.0
        pairs = [(c.behind, c.source) for c in own]
        found.append(BlockInsertion.at(site, pairs, first.zeroed, factor, first.optimizer_state))
    return found


def edits_of(site: Site, candidates: Sequence[WidthChange]) -> list[Edit]:
    """The edits that install all `candidates` of `site`: what stays of its units in order, and the new ones behind.

    Raises `GrowthRefused` where a unit is removed and split, or split with shifts and split again.
    """
    _check_compatible(site, candidates)
    removed = {c.removed for c in candidates if isinstance(c, Removal)}
    kept = [unit for unit in range(site.units) if unit not in removed]
    adding = [c for c in paired({site.name: site}, candidates) if isinstance(c, NewUnit | Split)]
    source = [*kept, *(c.source if isinstance(c, Split) else -1 for c in adding)]
    new = [c for c in adding if isinstance(c, NewUnit)]
    fills = {}
    for use in site.axes:
        parts = [c.fills[use.tensor, use.axis] for c in new if (use.tensor, use.axis) in c.fills]
        if parts:
            fills[use.tensor, use.axis] = _joined(use, parts)
    shares = _shares(kept, adding)
    scales = _scales(site, shares) if shares else {}
    offsets = [Offset(n, v) for c in candidates if not isinstance(c, NewUnit) for n, v in c.offsets.items()]
    edits = site_edits(site, source, fills, scales, _shifts(kept, adding))
    rescaled, eps = _rescaled(site, len(source), new)
    offsets, edits = [*rescaled, *offsets], [*edits, *eps]
    return [*offsets, *(_thinned(edits, new) if any(c.sparse for c in new) else edits)]


def paired(sites: Mapping[str, Site], candidates: Sequence[Candidate]) -> list[Candidate]:
    """As they are installed together: new units whose twin is missing have outgoing weights of 0, and no twin."""
    present = {(c.site, c.index) for c in candidates if isinstance(c, NewUnit)}

    def settled(c: Candidate) -> Candidate:
        if not isinstance(c, NewUnit) or c.twin is None or (c.site, c.twin) in present:
            return c
        return _alone(sites[c.site], c)

    return [settled(c) for c in candidates]


def _alone(site: Site, c: NewUnit) -> NewUnit:
    outgoing = {(use.tensor, use.axis) for use in site.axes if use.role == "in"}
    return replace(c, twin=None, fills={k: torch.zeros_like(v) if k in outgoing else v for k, v in c.fills.items()})


def _rescaled(site: Site, units: int, new: Sequence[NewUnit]) -> tuple[list[Offset], list[AttributeEdit]]:
    """What the site's new units do to existing tensors and to the eps of normalisations."""
    rescaling = next((c.rescaling for c in new if c.rescaling is not None), None)
    if rescaling is None:
        return [], []
    share = site.units / units
    offsets = [Offset(name, (share ** (power / 2) - 1) * tensor) for name, (tensor, power) in rescaling.powers.items()]
    return offsets, [AttributeEdit(module, name, eps, eps * share) for module, name, eps in rescaling.eps]


def _thinned(edits: Sequence[SiteEdit], new: Sequence[NewUnit]) -> list[SiteEdit]:
    """The edits whose new positions are dormant where they hold 0."""
    keys = {key for c in new if c.sparse for key in c.fills}
    return [
        replace(edit, sparse=(edit.tensor, edit.axis) in keys) if isinstance(edit, AxisEdit) else edit for edit in edits
    ]


def _scales(site: Site, shares: tuple[float, ...]) -> dict[FillKey, tuple[float, ...]]:
    """The shares of copies, at all that reads them; at a stream, what also writes to it is no part of that."""
    readers = [(use.tensor, use.axis) for use in site.axes if use.role == "in"]
    if site.stream is None:
        return dict.fromkeys(readers, shares)
    written = {(writer.tensor, writer.axis) for writer in site.stream.writers}
    scales = {key: (1.0,) * len(shares) if key in written else shares for key in readers}
    return scales | dict.fromkeys(site.stream.shared or (), shares)


def _check_copies(site: Site, candidates: Sequence[WidthChange]) -> None:
    """Copies of some channels of a stream would change what normalisations over all of them see."""
    copies = Counter(c.source for c in candidates if isinstance(c, Split))
    if site.stream is not None and copies and len({copies[unit] for unit in range(site.units)}) > 1:
        raise GrowthRefused(
            f"site {site.name!r} is a stream under normalisations, whose channels can only be copied all together: "
            f"found {copies.total()} copies of {site.units} channels; grow it by a multiple of these, under a budget "
            "in width, or use how: zero"
        )


def _check_compatible(site: Site, candidates: Sequence[WidthChange]) -> None:
    _check_copies(site, candidates)
    uses = Counter(c.unit for c in candidates if c.unit is not None)
    for c in candidates:
        if c.unit is not None and uses[c.unit] > 1 and c.alone:
            raise GrowthRefused(f"site {site.name!r}: unit {c.unit} is changed twice in one event; choose one change")


def _shifts(kept: Sequence[int], adding: Sequence[NewUnit | Split]) -> dict[FillKey, dict[int, Tensor]]:
    """What is added to a unit, by its index among the units of after."""
    shifts: dict[FillKey, dict[int, Tensor]] = {}
    for index, c in enumerate(adding, len(kept)):
        if isinstance(c, Split):
            for key, (first, second) in c.shifts.items():
                shifts.setdefault(key, {}).update({kept.index(c.source): first, index: second})
    return shifts


def _joined(use: AxisUse, parts: Sequence[Tensor]) -> Tensor:
    """The units' values in the order of the axis: run after run, within a run unit after unit."""
    if len(use.runs) == 1:
        return torch.cat(list(parts), use.axis)
    runs = [torch.split(part, [run.repeat for run in use.runs], use.axis) for part in parts]
    return torch.cat([unit[run] for run in range(len(use.runs)) for unit in runs], use.axis)


def _shares(kept: Sequence[int], adding: Sequence[NewUnit | Split]) -> tuple[float, ...] | None:
    """Factor of every unit's outgoing weights, kept units first; the copies of a unit sum to 1."""
    copies = [c for c in adding if isinstance(c, Split)]
    if not copies:
        return None
    totals = {c.source: 1.0 for c in copies}
    for c in copies:
        totals[c.source] += c.share
    old = [1.0 / totals.get(unit, 1.0) for unit in kept]
    return (*old, *(c.share / totals[c.source] if isinstance(c, Split) else 1.0 for c in adding))

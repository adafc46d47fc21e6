"""A structural change as plain data, by parameter name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from growsearch.errors import GrowthRefused
from growsearch.graph.block_site import BlockSite
from growsearch.graph.site import AxisUse, Role, Site

Fills = Mapping[tuple[str, int], Tensor | float]
Scales = Mapping[tuple[str, int], Sequence[float] | None]
Shifts = Mapping[tuple[str, int], Mapping[int, Tensor]]

ROLE_FILLS: dict[Role, float] = {"scale": 1.0, "variance": 1.0}
"""What new positions hold where no fill is given; every role that is not listed starts at 0."""


@dataclass(frozen=True)
class Span:
    """The part `[start, stop)` of an old axis that an edit re-indexes, and its `length` on the new axis."""

    start: int
    stop: int
    length: int


@dataclass(frozen=True)
class AxisEdit:
    """One axis of one tensor, re-indexed.

    Position `p` of the new axis is old position `source[p]`, or new where `source[p]` is -1: so keeping, removing,
    duplicating (split) and adding positions are one operation. `fill` gives the values at the new positions: a number,
    or a tensor shaped like the tensor *before any edit of this growth* but with this axis as long as there are new
    positions. `scale` multiplies each position (the shares of a split unit), one number per position of the new axis.
    `shift` is added afterwards at the positions `shifted` of the new axis, in rising order; it is shaped like a fill.

    Where the tensor has a mask, new positions are alive, or (`sparse`) only those whose fill is not 0.

    `spans` are the parts of the old axis that the edit re-indexes, in order; what lies between them is kept as it is.
    Edits of several sites on one axis (behind a concatenation) are merged by their spans. Empty: the whole axis.
    """

    tensor: str
    axis: int
    source: tuple[int, ...]
    fill: Tensor | float = 0.0
    scale: tuple[float, ...] | None = None
    spans: tuple[Span, ...] = ()
    shifted: tuple[int, ...] = ()
    shift: Tensor | None = None
    sparse: bool = False

    @property
    def added(self) -> int:
        """How many positions are new."""
        return self.source.count(-1)


@dataclass(frozen=True)
class Insertion:
    """A layer inserted behind the module at `path`, which becomes `nn.Sequential(old, new...)`.

    `layer` names the kind, so that a grown network can be rebuilt from its seed:

    - "identity": a linear or convolution layer at the identity, then the activation at `path` once more;
    - "residual": a residual block whose last layer is zero; "residual_norm": the same with a normalisation inside.

    `channels`, `spatial` (number of spatial dimensions; 0: vectors or tokens) and `kernel` (odd) describe the new
    layer; `channels` counts what the module at `path` gives *after* the axis edits that are applied with it. `seed`
    draws the initial weights of a residual block.
    """

    path: str
    layer: str
    channels: int
    spatial: int
    kernel: int
    seed: int = 0


@dataclass(frozen=True)
class BlockInsertion:
    """Copies of blocks, inserted behind blocks of the container at `path`.

    The container's children `prefix` + `first` and the `blocks - 1` behind it are the blocks, counted from 0. `copies`
    are pairs (block behind which the copy comes, block that it copies), in order; the children behind a copy move up by
    one number, so names change: see `rename`. `zeroed` are the parameters, named within a block, that are zero in the
    copies. `factor` multiplies those named in `scaled`, in old blocks and in copies.

    `state` is what the optimizer knows of the copies' parameters: "copied" from those of the block that they copy, or
    "reset", as for a parameter that is new.
    """

    path: str
    prefix: str
    first: int
    blocks: int
    copies: tuple[tuple[int, int], ...]
    zeroed: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()
    factor: float = 1.0
    state: Literal["copied", "reset"] = "copied"

    @staticmethod
    def at(
        site: BlockSite,
        copies: Sequence[tuple[int, int]],
        zeroed: Sequence[str] = (),
        factor: float = 1.0,
        state: Literal["copied", "reset"] = "copied",
    ) -> BlockInsertion:
        """The insertion of `copies` at a block site.

        Args:
            site: where.
            copies: pairs (block behind which the copy comes, block that it copies), in order.
            zeroed: parameters that are zero in the copies.
            factor: of the site's `outputs` in all blocks.
            state: the optimizer's of the copies.
        """
        scaled = site.outputs if factor != 1 else ()
        return BlockInsertion(
            site.container, site.prefix, site.first, site.blocks, tuple(copies), tuple(zeroed), scaled, factor, state
        )

    def order(self) -> list[tuple[int, bool]]:
        """The blocks of afterwards: which block of before each is, and whether it is a copy of that."""
        found: list[tuple[int, bool]] = []
        for block in range(self.blocks):
            found.append((block, False))
            found += [(source, True) for behind, source in self.copies if behind == block]
        return found


@dataclass(frozen=True)
class Offset:
    """A value added to a whole tensor, before its axes are re-indexed: what a bias takes over from a removed unit."""

    tensor: str
    value: Tensor


@dataclass(frozen=True)
class MaskEdit:
    """Connections of a weight that regrow, at 0, or are pruned: they become 0 and stay so.

    `regrow` and `prune` are positions in the flattened tensor. A tensor without a mask gets one, all alive before.
    """

    tensor: str
    regrow: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    prune: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))


@dataclass(frozen=True)
class AttributeEdit:
    """A number that the module at path `module` keeps: `before` becomes `after`.

    A whole one, such as its number of heads, or the eps of a normalisation (None before: torch's default).
    """

    module: str
    name: str
    before: float | None
    after: float


@dataclass(frozen=True)
class SizeEdit:
    """A normalisation without tensors remembers `added` more positions of its axis `axis` (see `SizeUse`)."""

    module: str
    axis: int
    added: int


SiteEdit = AxisEdit | AttributeEdit | SizeEdit
Deepening = Insertion | BlockInsertion
Edit = SiteEdit | Offset | MaskEdit | Deepening


def deepening_of(plain: Mapping[str, Any]) -> Deepening:
    """The insertion of a layer or of blocks that a `Grower.architecture()` holds as plain data."""
    if "copies" not in plain:
        return Insertion(**plain)
    pairs = tuple((behind, source) for behind, source in plain["copies"])
    return BlockInsertion(**{**plain, "copies": pairs})


def changed_attributes(edits: Sequence[Edit]) -> dict[str, float]:
    """What `edits` make of the numbers that modules keep, by path and name, as `rebuild` takes them."""
    own = [edit for edit in edits if isinstance(edit, AttributeEdit)]
    return {f"{edit.module}.{edit.name}".lstrip("."): edit.after for edit in own}


def site_edits(
    site: Site,
    source: Sequence[int],
    fills: Fills | None = None,
    scales: Scales | None = None,
    shifts: Shifts | None = None,
) -> list[SiteEdit]:
    """The edits that give `site` the units of `source`: old unit indices, -1 for a new unit.

    `fills` and `scales` are keyed by `(tensor, axis)`. A fill is laid out as in `AxisEdit` (new positions in the order
    of the axis: run after run, unit after unit). A scale has one number per new unit or one per new position. Without
    a fill, new positions start by role: scales and variances at 1, everything else at 0. Without a scale, every copy
    of a unit that occurs n times gets 1/n on the axes of the consumers, which preserves the function. A shift is what
    is added to a unit of `source`, by its place in it, laid out as the fill of one unit. The norms of a stream follow:
    what they make of the old units stays what it was, where new ones are as `Stream` says.

    Args:
        site: a site that is not frozen.
        source: for every new position of a unit, the old unit that it copies; -1: a new one.
        fills: what new positions start with, by axis.
        scales: factors of copies, by axis.
        shifts: what is added to copies, by axis and place in `source`.

    Raises:
        GrowthRefused: the site is frozen, `source` names a unit that does not exist or keeps none, a fill or scale
            belongs to no axis of the site, or a scale has the wrong length.
    """
    fills, scales, shifts = fills or {}, scales or {}, shifts or {}
    _check_source(site, source)
    known = {(use.tensor, use.axis) for use in site.axes}
    if unknown := (set(fills) | set(scales) | set(shifts)) - known:
        raise GrowthRefused(
            f"site {site.name!r} has no axis {sorted(unknown)[0]}: key fills, scales and shifts by its axes, "
            f"{sorted(known)}"
        )
    more = len(source) - site.units
    edits: list[SiteEdit] = [_edit(site, use, source, fills, scales, shifts) for use in site.axes]
    edits += _norms(site, source, edits)
    if more:
        edits += [AttributeEdit(u.module, u.name, u.value, u.value + more * u.per_unit) for u in site.attributes]
        edits += [SizeEdit(use.module, use.axis, more * use.positions) for use in site.sizes]
    return edits


def _check_source(site: Site, source: Sequence[int]) -> None:
    if site.kind == "frozen":
        raise GrowthRefused(f"site {site.name!r} is frozen: {site.reason}")
    if not source:
        raise GrowthRefused(f"site {site.name!r} would keep no unit: leave at least one")
    if wrong := [unit for unit in source if not -1 <= unit < site.units]:
        raise GrowthRefused(
            f"site {site.name!r} has units 0 to {site.units - 1}, found {wrong[0]}: use these, or -1 for a new unit"
        )


def _edit(site: Site, use: AxisUse, source: Sequence[int], fills: Fills, scales: Scales, shifts: Shifts) -> AxisEdit:
    key = (use.tensor, use.axis)
    positions, spans = _positions(site, use, source)
    shifted, shift = _shift(use, spans, shifts.get(key, {}))
    scale = scales.get(key)
    if scale is None and use.role == "in":
        scale = _shares(source)
    return AxisEdit(
        tensor=use.tensor,
        axis=use.axis,
        source=tuple(positions),
        fill=fills.get(key, ROLE_FILLS.get(use.role, 0.0)),
        scale=None if scale is None else _expand_scale(use, source, spans, len(positions), tuple(scale)),
        spans=spans,
        shifted=shifted,
        shift=shift,
    )


def _norms(site: Site, source: Sequence[int], edits: list[SiteEdit]) -> list[SiteEdit]:
    """The edits of a stream's eps; those of the norms' weights in `edits` are changed for ones that scale them too.

    With n copies of every old unit and k new ones, d' = n d + k, both by n d / d', the weights by its root.
    """
    if site.stream is None:
        return []
    share = _kept_share(site, source)
    factor = share**0.5
    offsets = {norm.weight: norm.offset for norm in site.stream.norms}
    for index, edit in enumerate(edits):
        if isinstance(edit, AxisEdit) and edit.tensor in offsets:
            edits[index] = _scaled(edit, factor, offsets[edit.tensor])
    norms = {(norm.module, norm.name): norm for norm in site.stream.norms}
    changed = norms.values() if share != 1.0 else ()
    return [AttributeEdit(norm.module, norm.name, norm.kept, norm.eps * share) for norm in changed]


def _kept_share(site: Site, source: Sequence[int]) -> float:
    """Which part of the units of `source` are copies of old ones; 1 where these do not all occur equally often."""
    counts = Counter(source)
    copies = {counts[unit] for unit in range(site.units)}
    return 1.0 if len(copies) > 1 else copies.pop() * site.units / len(source)


def _scaled(edit: AxisEdit, factor: float, offset: float) -> AxisEdit:
    """`offset` plus the old positions, times `factor`; what is scaled already by more."""
    if edit.scale is None and factor == 1.0:
        return edit
    known = edit.scale or (1.0,) * len(edit.source)
    factors = [1.0 if old < 0 else share * factor for share, old in zip(known, edit.source, strict=True)]
    moved = tuple(place for place, each in enumerate(factors) if each != 1.0) if offset else ()
    shift = torch.tensor([offset * (factors[place] - 1.0) for place in moved], dtype=torch.float64)
    return replace(edit, scale=tuple(factors), shifted=moved, shift=shift if moved else None)


def _shift(
    use: AxisUse, spans: tuple[Span, ...], by_unit: Mapping[int, Tensor]
) -> tuple[tuple[int, ...], Tensor | None]:
    """The positions that the shifted units take on the new axis, in rising order, and what is added there."""
    if not by_unit:
        return (), None
    units = sorted(by_unit)
    positions: list[int] = []
    pieces: list[Tensor] = []
    grown, taken = 0, 0
    for run, span in zip(use.runs, spans, strict=True):
        start = run.offset + grown
        for unit in units:
            positions += range(start + unit * run.repeat, start + (unit + 1) * run.repeat)
            own = by_unit[unit]
            pieces.append(own if len(use.runs) == 1 else own.narrow(use.axis, taken, run.repeat))
        grown += span.length - (span.stop - span.start)
        taken += run.repeat
    return tuple(positions), torch.cat(pieces, use.axis)


def _positions(site: Site, use: AxisUse, source: Sequence[int]) -> tuple[list[int], tuple[Span, ...]]:
    """Old position at each new position of the axis, and where on the old axis the runs of the site lie."""
    positions: list[int] = []
    spans: list[Span] = []
    done = 0
    for run in use.runs:
        positions += range(done, run.offset)
        done = run.offset + site.units * run.repeat
        spans.append(Span(run.offset, done, len(source) * run.repeat))
        for unit in source:
            start = run.offset + unit * run.repeat
            positions += range(start, start + run.repeat) if unit >= 0 else [-1] * run.repeat
    positions += range(done, use.size)
    return positions, tuple(spans)


def _shares(source: Sequence[int]) -> tuple[float, ...] | None:
    """1/n for every copy of a unit that occurs n times; None where no unit does so."""
    kept = [unit for unit in source if unit >= 0]
    if len(set(kept)) == len(kept):
        return None
    return tuple(1.0 / kept.count(unit) if unit >= 0 else 1.0 for unit in source)


def _expand_scale(
    use: AxisUse, source: Sequence[int], spans: tuple[Span, ...], length: int, scale: tuple[float, ...]
) -> tuple[float, ...]:
    """One number per position of the new axis, from one per unit or one per position."""
    if len(scale) == length:
        return scale
    if len(scale) != len(source):
        raise GrowthRefused(
            f"scale of {use.tensor!r} axis {use.axis} has {len(scale)} numbers: give {len(source)} (one per unit) "
            f"or {length} (one per position)"
        )
    expanded: list[float] = []
    done = 0
    for run, span in zip(use.runs, spans, strict=True):
        expanded += [1.0] * (span.start - done)
        expanded += [share for share in scale for _ in range(run.repeat)]
        done = span.stop
    return tuple(expanded + [1.0] * (use.size - done))

"""Candidates on paths: from the network as it is to what a candidate would make of it, by one number, its gate.

A candidate that leaves the function as it is cannot be judged by itself: its gate would have no effect. It is judged
by where training would take it first. With gate e, the copy of the network computes with `base + e * direction`:

- New units with one zero side: the direction is a step of gradient descent on the zero side.
- Exact splits: the source goes one step along the descent direction of its incoming weights, the copy one step back.
  To first order the two cancel, whatever their shares, so that what a split gains is that of the curvature.
- Inserted layers: a step of descent on the new layer's last weights.
- Candidates that change the function: from no contribution to their own.
- Removals: the unit's outgoing weights go from what they are to 0.

Steps have the length `step` in mean norms of the existing units' weights on that side. The descent steps are one choice
among others: the papers score what they have trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Role, Site
from growsearch.growth.candidate import Candidate, FillKey, NewLayer, NewUnit, Removal, Split
from growsearch.growth.starts import usual_norm
from growsearch.growth.unit_weights import mean_norm, weight_of, zero_fills

NEARLY_ZERO = 1e-5
"""A side below this share of the existing units' mean norm counts as zero: an activation epsilon at most."""


@dataclass(frozen=True)
class Direction:
    """What a gate multiplies: fields as in the candidates, and by name the tensors of the copy's inserted layers."""

    fills: Mapping[FillKey, Tensor] = field(default_factory=dict)
    shifts: Mapping[FillKey, tuple[Tensor, Tensor]] = field(default_factory=dict)
    offsets: Mapping[str, Tensor] = field(default_factory=dict)
    inserted: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """A candidate's path: `base` leaves the function as it is."""

    candidate: Candidate
    base: Candidate
    direction: Direction

    def at(self, gate: Tensor | float) -> Candidate:
        """The candidate at `gate`, differentiable in it."""
        base, to = self.base, self.direction
        match base:
            case NewUnit():
                fills = {**base.fills, **{k: base.fills.get(k, 0.0) + gate * value for k, value in to.fills.items()}}
                return replace(base, fills=fills)
            case Split():
                shifts = dict(base.shifts)
                for key, (first, second) in to.shifts.items():
                    old = shifts.get(key, (0.0, 0.0))
                    shifts[key] = (old[0] + gate * first, old[1] + gate * second)
                return replace(base, shifts=shifts, offsets={n: gate * value for n, value in to.offsets.items()})
        return base


@dataclass(frozen=True)
class Start:
    """A probe before its direction is known: `free` tensors of the direction, zero, whose gradient tells it.

    `radius` is the mean norm of the existing units' weights on the side that moves.
    """

    probe: Probe
    free: tuple[Tensor, ...] = ()
    radius: float = 0.0

    def finish(self, gradients: Sequence[Tensor], step: float) -> Probe:
        """The probe with the direction that the gradients at the free tensors give."""
        if not self.free:
            return self.probe
        norm = float(torch.stack([g.double().norm() for g in gradients]).norm())
        length = step * self.radius / norm if norm > 0 and norm < float("inf") else 0.0
        moved = {id(t): -length * g for t, g in zip(self.free, gradients, strict=True)}
        old, candidate = self.probe.direction, self.probe.candidate
        share = candidate.share if isinstance(candidate, Split) else 1.0
        # The copy has the share a = share / (1 + share) of the outgoing weights, the source 1 - a: 2a to the one and
        # -2(1 - a) to the other cancel to first order.
        ahead, back = 2 * share / (1 + share), -2 / (1 + share)
        direction = Direction(
            fills={key: moved[id(value)] for key, value in old.fills.items()},
            shifts={key: (ahead * moved[id(first)], back * moved[id(first)]) for key, (first, _) in old.shifts.items()},
            inserted={name: moved[id(value)] for name, value in old.inserted.items()},
        )
        return replace(self.probe, direction=direction)


def start(model: nn.Module, graph: NetworkGraph, c: Candidate) -> Start:
    """A candidate's probe, complete but for the direction of descent where it takes one."""
    match c:
        case NewLayer():
            return _inserted_layer(model, c)
        case Removal():
            return Start(_removal(model, graph.sites[c.site], c))
        case NewUnit() | Split() if not c.exact:
            return Start(_learned(graph.sites[c.site], c))
        case Split():
            return _exact_split(model, graph.sites[c.site], c)
        case NewUnit():
            return _new_unit(model, graph.sites[c.site], c)
    raise GrowthRefused(f"site {c.site!r}: a {type(c).__name__} has no gate that could be scored")


def _new_unit(model: nn.Module, site: Site, c: NewUnit) -> Start:
    """Free: the side that is zero; the outgoing one where neither is."""
    incoming = fill_norm(site, c.fills, "out")
    silent = incoming <= NEARLY_ZERO * mean_norm(model, site, "out") and fill_norm(site, c.fills, "in") > 0
    role: Role = "out" if silent else "in"
    free = {key: value.requires_grad_() for key, value in zero_fills(model, site, role).items()}
    return Start(Probe(c, c, Direction(fills=free)), tuple(free.values()), mean_norm(model, site, role))


def _exact_split(model: nn.Module, site: Site, c: Split) -> Start:
    free = {key: value.requires_grad_() for key, value in zero_fills(model, site, "out").items()}
    direction = Direction(shifts={key: (value, torch.zeros_like(value)) for key, value in free.items()})
    return Start(Probe(c, c, direction), tuple(free.values()), mean_norm(model, site, "out"))


def _inserted_layer(model: nn.Module, c: NewLayer) -> Start:
    """Free: the weight of the new layer, or of a residual block's last one."""
    layer = c.insertion
    name = f"{layer.path}.1.weight" if layer.layer == "identity" else f"{layer.path}.1.last.weight"
    like = next(model.parameters())
    shape = (layer.channels, layer.channels, *[layer.kernel] * layer.spatial)
    free = torch.zeros(shape, dtype=like.dtype, device=like.device, requires_grad=True)
    return Start(Probe(c, c, Direction(inserted={name: free})), (free,), usual_norm(free) * layer.channels**0.5)


def _learned(site: Site, c: NewUnit | Split) -> Probe:
    """From outgoing weights of 0 (new units), or from no shift (splits), to the candidate's own."""
    if isinstance(c, Split):
        return Probe(c, replace(c, shifts={}, offsets={}), Direction(shifts=c.shifts, offsets=c.offsets))
    outgoing = {(use.tensor, use.axis) for use in site.axes if use.role == "in"}
    to = {key: value for key, value in c.fills.items() if key in outgoing}
    base = {**c.fills, **{key: torch.zeros_like(value) for key, value in to.items()}}
    return Probe(c, replace(c, fills=base), Direction(to))


def _removal(model: nn.Module, site: Site, c: Removal) -> Probe:
    """Stands in for the removal: a copy that shares the unit's outgoing weights, both of which go to 0."""
    shifts = {}
    for use in site.axes:
        if use.role == "in":
            weight = weight_of(model, use)
            own = torch.tensor(use.positions(c.removed), device=weight.device)
            gone = -0.5 * weight.index_select(use.axis, own)
            shifts[use.tensor, use.axis] = (gone, gone)
    base = Split(c.site, c.index, 0, 0, c.removed, exact=c.exact)
    return Probe(c, base, Direction(shifts=shifts, offsets=c.offsets))


def fill_norm(site: Site, fills: Mapping[FillKey, Tensor], role: Role) -> float:
    """Norm of a new unit's weights of one role, all layers together."""
    return float(fill_norms(site, [fills], role)[0])


def fill_norms(site: Site, units: Sequence[Mapping[FillKey, Tensor]], role: Role) -> Float[Tensor, " units"]:
    """Norms of new units' weights of one role, all layers together, on the CPU."""
    squares = torch.zeros(len(units), dtype=torch.float64)
    for key in ((use.tensor, use.axis) for use in site.axes if use.role == role):
        have = [place for place, fills in enumerate(units) if key in fills]
        if have:
            rows = torch.stack([units[place][key] for place in have]).detach()
            squares[have] += rows.flatten(1).double().square().sum(1).cpu()
    return squares.sqrt()

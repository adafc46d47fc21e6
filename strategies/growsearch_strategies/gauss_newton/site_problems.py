"""The sites whose units can be judged, and where in the network their units lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import AxisUse, NetworkGraph, Role, Site, operation
from growsearch.growth import require_no_stream
from growsearch.growth.unit_owners import unit_owners

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class _Owners:
    """Which unit each of some channels belongs to, -1: none."""

    def __init__(self, owner: Tensor) -> None:
        self._owner = owner
        self._in_order = torch.equal(owner, torch.arange(len(owner), device=owner.device))

    def sums(self, channels: Tensor, units: int) -> Tensor:
        """`[rows, channels]` summed to `[rows, units]`; channels without a unit are left out."""
        if self._in_order and channels.shape[1] == units:
            return channels
        owner = self._owner.to(channels.device)
        index = torch.where(owner < 0, units, owner)
        return channels.new_zeros(len(channels), units + 1).index_add(1, index, channels)[:, :units]


@dataclass(frozen=True)
class End:
    """A producer or consumer: `owner[c]` is the unit to which channel `c` at the site's side belongs, -1: none.

    For a producer these are the channels of its output, for a consumer those of its input; `axis` is theirs in an
    activation. `columns` does the same for the weight's axis, which differs where a layer is grouped.
    """

    module: str
    use: AxisUse
    owner: Tensor
    columns: Tensor
    axis: int
    grouped: bool

    @cached_property
    def _channels(self) -> _Owners:
        return _Owners(self.owner)

    @cached_property
    def _positions(self) -> _Owners:
        return _Owners(self.columns)

    def per_unit(self, values: Tensor, units: int, samples: int) -> Tensor:
        """Sums `[samples, units]` of activation-shaped `values` over the channels and positions of each unit."""
        channels = values.movedim(self.axis, 1).flatten(2).sum(2) if values.ndim > 2 else values
        return self.unit_sums(channels, units, samples)

    def unit_sums(self, channels: Tensor, units: int, samples: int) -> Tensor:
        """The same of values `[rows, channels]` that are summed over positions already."""
        rows = self._channels.sums(channels, units)
        return rows if len(rows) == samples else rows.reshape(samples, -1, units).sum(1)

    def unit_norms(self, weight: Tensor, units: int) -> Tensor:
        """Squared norms `[units]` of the units' slices of a tensor shaped like the layer's weight."""
        squares = weight.detach().square().movedim(self.use.axis, 0).flatten(1).sum(1)
        return self._positions.sums(squares[None], units)[0]

    def along_axis(self, by_unit: Tensor, weight: Tensor) -> Tensor:
        """`by_unit` `[units]` along the axis of `weight`, 0 where no unit of the site is; broadcasts against it."""
        padded = torch.cat([by_unit, by_unit.new_zeros(1)])
        shape = [1] * weight.ndim
        shape[self.use.axis] = -1
        return padded[self.columns].reshape(shape)

    def slices(self, weight: Tensor, unit: int) -> Tensor:
        """One unit's part of a tensor shaped like the weight, laid out as a fill of `Candidate`."""
        own = (self.columns == unit).nonzero().flatten()
        return weight.index_select(self.use.axis, own.to(weight.device))


@dataclass(frozen=True)
class SiteProblem:
    """A site with its ends; `units` are those that may be split or removed."""

    site: Site
    producers: tuple[End, ...]
    consumers: tuple[End, ...]
    units: tuple[int, ...]

    @property
    def signed(self) -> bool:
        """Whether outgoing weights can be changed one by one: not behind grouped consumers."""
        return not any(end.grouped for end in self.consumers)


def site_problems(
    model: nn.Module, graph: NetworkGraph, sites: Iterable[Site], eligible: Mapping[str, Sequence[int]]
) -> list[SiteProblem]:
    """The problems of those sites whose units can be judged.

    Raises `GrowthRefused` with the first site's reason where there is none.

    Args:
        model: the network.
        graph: its graph.
        sites: that are asked for.
        eligible: units that may change, by site.
    """
    found: list[SiteProblem] = []
    reason: GrowthRefused | None = None
    for site in sites:
        try:
            found.append(_site_problem(model, graph, site, tuple(eligible[site.name])))
        except GrowthRefused as error:
            reason = reason or error
    if not found and reason is not None:
        raise reason
    return found


def layer_at(model: nn.Module, end: End) -> Layer:
    """The module of an end."""
    layer = model.get_submodule(end.module)
    assert isinstance(layer, Layer)
    return layer


def _site_problem(model: nn.Module, graph: NetworkGraph, site: Site, units: tuple[int, ...]) -> SiteProblem:
    def refused(what: str) -> GrowthRefused:
        return GrowthRefused(f"site {site.name!r}: {what}, so its units cannot be judged; use how: split")

    require_no_stream(site)
    if site.kind != "exact":
        raise refused(f"it is {site.kind} ({site.reason})")
    for use in site.axes:
        if use.aliases or use.tied:
            raise refused(f"{use.tensor!r} is shared between layers")
    for name in site.path:
        if not operation(graph.calls[name].rule or graph.calls[name].kind).per_unit:
            raise refused(f"its units pass {name!r} ({graph.calls[name].rule}), which may mix them")

    def ends(calls: Sequence[str], role: Role) -> tuple[End, ...]:
        by_module: dict[str, End] = {}
        for name in calls:
            call = graph.calls[name]
            layer = model.get_submodule(call.target) if call.kind == "module" else None
            layout = graph.input_layout(name, site.name) if role == "in" else graph.layout(name, site.name)
            use = next((u for u in site.axes if u.role == role and u.tensor == f"{call.target}.weight"), None)
            ranks = call.input_shapes[0] if role == "in" else call.shape
            if not isinstance(layer, Layer) or layout is None or use is None or ranks is None or not call.args:
                raise refused(f"{name!r} is no plain nn.Linear or nn.Conv")
            if isinstance(layer, nn.Linear) != (layout[0] == len(ranks) - 1) and layout[0] != 1:
                raise refused(f"the channels of {name!r} lie on axis {layout[0]}")
            axis = -1 if isinstance(layer, nn.Linear) else 1
            owner = unit_owners(layout[1], layout[2], site.units)
            columns = unit_owners(use.runs, use.size, site.units)
            end = End(call.target, use, owner, columns, axis, getattr(layer, "groups", 1) > 1)
            if call.target in by_module and not torch.equal(by_module[call.target].owner, owner):
                raise refused(f"{call.target!r} reads its units from different places")
            by_module[call.target] = end
        return tuple(by_module.values())

    return SiteProblem(site, ends(site.producers, "out"), ends(site.consumers, "in"), units)

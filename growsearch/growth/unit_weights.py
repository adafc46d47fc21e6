"""The weights of a site's units, read and laid out like fills, whatever layers they lie in.

All that is needed is which positions of which tensor axes a unit takes (`AxisUse`): modules of torch, subclasses with a
`forward` of their own, transposed convolutions, embeddings and parameters that belong to no layer are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from growsearch.graph import AxisUse, Role, Site
from growsearch.growth.candidate import FillKey
from growsearch.growth.starts import usual_std


@dataclass(frozen=True)
class UnitWeights:
    """The weights of one unit of a site in one tensor, or of one of its channels.

    A unit has several channels behind grouped convolutions only. `shape` is that of the tensor, `slots` are the
    channel's among the positions of a unit along `use.axis`, `channels` its entries of the first of the other axes.
    Flattened, weights are laid out as (channels, slots, everything else).
    """

    use: AxisUse
    shape: tuple[int, ...]
    slots: range
    channels: range

    @property
    def module(self) -> str:
        """Path of the module that owns the tensor."""
        return self.use.module

    @property
    def rest(self) -> tuple[int, ...]:
        """Sizes of the axes that are neither the units' nor the channels': the kernel."""
        return tuple(size for axis, size in enumerate(self.shape) if axis != self.use.axis)[1:]

    @property
    def size(self) -> int:
        """Number of weights."""
        return len(self.slots) * len(self.channels) * math.prod(self.rest)

    def write(self, fill: Tensor, rows: Tensor) -> None:
        """Write `rows` `[units, size]` into the units' fills `[units, *fill of one unit]`."""
        values = rows.reshape(-1, len(self.channels), len(self.slots), *self.rest).transpose(1, 2)
        # Slices, not indices: a fill that is being learned takes them as views.
        self._site_first(fill, 1)[:, _slice(self.slots), _slice(self.channels)] = values

    def rows(self, tensor: Tensor, units: int) -> Tensor:
        """Weights `[units, size]` of the existing units in a tensor of `shape`."""
        own = [self.use.positions(unit) for unit in range(units)]
        index = torch.tensor(own, device=tensor.device)[:, _slice(self.slots)]
        return self._site_first(tensor, 0)[:, _slice(self.channels)][index].transpose(1, 2).flatten(1)

    def _site_first(self, tensor: Tensor, leading: int) -> Tensor:
        """The axes behind `leading` ones as (the units' positions, channels, everything else)."""
        moved = tensor.movedim(leading + self.use.axis, leading)
        return moved.unsqueeze(-1) if len(self.shape) == 1 else moved


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop)


def unit_weights(model: nn.Module, site: Site, role: Role) -> list[list[UnitWeights]]:
    """Per channel, the weights of one role ("out": incoming, "in": outgoing) of one unit.

    The channels of a unit are apart where all of the site's layers keep them apart: `groups` of them, or none grouped.
    Elsewhere, as behind a chunk whose halves meet again, the whole unit is one channel.
    """
    uses = [use for use in site.axes if use.role in ("out", "in")]
    count = site.granularity
    by_use = {use: [_channel(model, use, channel, count) for channel in range(count)] for use in uses}
    if count > 1 and all(part is not None for parts in by_use.values() for part in parts):
        return [
            [part for use in uses if use.role == role and (part := by_use[use][channel]) is not None]
            for channel in range(count)
        ]
    return [[_whole(model, use) for use in uses if use.role == role]]


def _whole(model: nn.Module, use: AxisUse) -> UnitWeights:
    shape = tuple(weight_of(model, use).shape)
    others = [size for axis, size in enumerate(shape) if axis != use.axis]
    return UnitWeights(use, shape, range(positions(use)), range(others[0] if others else 1))


def _channel(model: nn.Module, use: AxisUse, channel: int, count: int) -> UnitWeights | None:
    """One of `count` channels; None where the layer does not keep that many apart."""
    whole = _whole(model, use)
    groups = getattr(model.get_submodule(use.module), "groups", 1)
    if positions(use) == count and groups in (1, count):
        return replace(whole, slots=range(channel, channel + 1))
    if positions(use) == 1 and groups == count:
        each = len(whole.channels) // groups
        return replace(whole, channels=range(channel * each, (channel + 1) * each))
    return None


def weight_of(model: nn.Module, use: AxisUse) -> Tensor:
    """The tensor that a use is an axis of, without gradient."""
    tensor = getattr(model.get_submodule(use.module), use.tensor.rpartition(".")[2])
    assert isinstance(tensor, Tensor)
    return tensor.detach()


def zero_fills(model: nn.Module, site: Site, role: Role) -> dict[FillKey, Tensor]:
    """Zeros for the weights of one role ("out": incoming, "in": outgoing) of one unit, laid out as in `Candidate`."""
    uses = [use for use in site.axes if use.role == role]
    return {(use.tensor, use.axis): (w := weight_of(model, use)).new_zeros(fill_shape(use, w)) for use in uses}


def mean_norm(model: nn.Module, site: Site, role: Role) -> float:
    """Mean norm of the existing units' weights of one role, all layers together; of PyTorch's own if that is 0."""
    parts = [part for channel in unit_weights(model, site, role) for part in channel]
    return mean_norm_of(model, site, parts)


def mean_norm_of(model: nn.Module, site: Site, parts: list[UnitWeights]) -> float:
    """Mean norm of the existing units' weights in `parts` together; that with which they begin where it is 0."""
    squares = torch.zeros(site.units, dtype=torch.float64)
    for part in parts:
        squares += part.rows(weight_of(model, part.use), site.units).double().square().sum(1).cpu()
    norm = float(squares.sqrt().mean())
    return norm if norm > 0 else math.sqrt(sum(part.size * usual_std(model, part.use) ** 2 for part in parts))


def fill_shape(use: AxisUse, tensor: Tensor) -> list[int]:
    """Shape of the values that one unit brings on its axis of `tensor`."""
    return [positions(use) if axis == use.axis else size for axis, size in enumerate(tensor.shape)]


def positions(use: AxisUse) -> int:
    """How many positions of the axis one unit takes."""
    return sum(run.repeat for run in use.runs)

"""The weights of new units inside a network that has already grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from growsearch.graph import AxisUse, NetworkGraph, Role, Site
from growsearch.growth.candidate import FillKey
from growsearch.growth.starts import silent_row


class NewSlices:
    """All weights of one role ("in": at the consumers, "out": at the producers) of the new units of a site.

    `wide` is the network after growth, `graph` and `site` are from before; `units` new units were added behind the
    site's, and `added[name]` ones at every site that grew together with it. Weights between two new units (of two
    sites) are left out. Slices are laid out `[runs * units * repeat, ...]`, the site's axis first.
    """

    def __init__(
        self, wide: nn.Module, graph: NetworkGraph, site: Site, role: Role, units: int, added: Mapping[str, int]
    ) -> None:
        self.site, self.units = site, units
        self.uses = [u for u in site.axes if u.role == role]
        parameters = dict(wide.named_parameters(remove_duplicate=False))
        self.tensors = [parameters[u.tensor] for u in self.uses]
        self._silent = [silent_row(wide, u) for u in self.uses]
        self._index: list[list[Tensor]] = []
        for use, tensor in zip(self.uses, self.tensors, strict=True):
            index = []
            for axis, size in enumerate(tensor.shape):
                new = _new_positions(graph, use.tensor, axis, added)
                mine = new.get(site.name, []) if axis == use.axis else []
                others = {p for positions in new.values() for p in positions}
                keep = mine if axis == use.axis else [p for p in range(size) if p not in others]
                index.append(torch.tensor(keep, device=tensor.device))
            self._index.append(index)

    def positions(self) -> dict[str, list[int]]:
        """By tensor, where the new units lie on the site's axis."""
        uses = zip(self.uses, self._index, strict=True)
        return {use.tensor: [int(position) for position in index[use.axis]] for use, index in uses}

    def read(self, tensors: Sequence[Tensor] | None = None) -> list[Tensor]:
        """The slices of the weights, or of `tensors` of the same shapes (their gradients, say); differentiable."""
        values = [t.detach() for t in self.tensors] if tensors is None else tensors
        slices = []
        for value, use, index in zip(values, self.uses, self._index, strict=True):
            for axis, positions in enumerate(index):
                value = value.index_select(axis, positions)
            slices.append(value.movedim(use.axis, 0))
        return slices

    def write(self, slices: Sequence[Tensor]) -> None:
        """Put slices back into the network; an embedding's padding row stays zero."""
        parts = zip(self.tensors, self.uses, self._index, slices, self._silent, strict=True)
        with torch.no_grad():
            for tensor, use, index, value, silent in parts:
                tensor[torch.meshgrid(*index, indexing="ij")] = value.movedim(0, use.axis)
                if silent is not None:
                    tensor[silent, index[use.axis]] = 0.0

    def squared_norms(self, tensors: Sequence[Tensor]) -> Tensor:
        """Squared norm `[units]` of every unit's slices of `tensors`, all layers together; differentiable."""
        parts = [
            self._units_first(s, u).square().sum((1, 2)) for s, u in zip(self.read(tensors), self.uses, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def matrix(self, tensors: Sequence[Tensor] | None = None) -> Tensor:
        """The slices (see `read`) as one row for each unit, all layers together."""
        parts = [self._units_first(s, u).flatten(1) for s, u in zip(self.read(tensors), self.uses, strict=True)]
        return torch.cat(parts, 1)

    def write_matrix(self, rows: Tensor) -> None:
        """Inverse of `matrix`."""
        shapes = [s.shape for s in self.read()]
        slices = []
        for part, shape, use in zip(
            torch.split(rows, [shape.numel() // self.units for shape in shapes], 1), shapes, self.uses, strict=True
        ):
            repeats = [run.repeat for run in use.runs]
            rows_of_units = part.reshape(self.units, sum(repeats), -1)
            runs = torch.split(rows_of_units, repeats, 1)
            slices.append(torch.cat([run.flatten(0, 1) for run in runs]).reshape(shape))
        self.write(slices)

    def by_unit(self) -> list[dict[FillKey, Tensor]]:
        """Per unit, its fills as in `Candidate`."""
        fills: list[dict[FillKey, Tensor]] = [{} for _ in range(self.units)]
        for value, use in zip(self.read(), self.uses, strict=True):
            rows = self._units_first(value, use)
            for unit in range(self.units):
                own = rows[unit].reshape(-1, *value.shape[1:])
                fills[unit][use.tensor, use.axis] = own.movedim(0, use.axis).contiguous()
        return fills

    def _units_first(self, value: Tensor, use: AxisUse) -> Tensor:
        """A slice as `[units, positions of a unit, everything else]`."""
        repeats = [run.repeat for run in use.runs]
        runs = torch.split(value, [self.units * repeat for repeat in repeats])
        return torch.cat([run.reshape(self.units, r, -1) for run, r in zip(runs, repeats, strict=True)], 1)


def _new_positions(graph: NetworkGraph, tensor: str, axis: int, added: Mapping[str, int]) -> dict[str, list[int]]:
    """Per site, the positions on an axis of the grown tensor that its new units take."""
    runs = sorted(
        (run.offset, run.repeat, name)
        for name in added
        for use in graph.sites[name].axes
        if use.tensor == tensor and use.axis == axis
        for run in use.runs
    )
    positions: dict[str, list[int]] = {}
    shift = 0
    for offset, repeat, name in runs:
        end = offset + graph.sites[name].units * repeat + shift
        count = added[name] * repeat
        positions.setdefault(name, []).extend(range(end, end + count))
        shift += count
    return positions

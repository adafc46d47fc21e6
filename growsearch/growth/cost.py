"""What a set of new units costs in parameters, exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from growsearch.graph import NetworkGraph


class ParameterCost:
    """Parameters of the network after growth.

    Costs of single units do not add up where two sites meet in one weight: every tensor's size is the product of its
    axes.
    """

    def __init__(self, model: nn.Module, graph: NetworkGraph) -> None:
        self._fixed = sum(p.numel() for p in model.parameters())
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._growth: dict[str, list[tuple[str, int, int]]] = {}
        for site in graph.sites.values():
            for use in site.axes:
                if use.tensor in shapes:
                    self._shapes[use.tensor] = shapes[use.tensor]
                    per_unit = sum(run.repeat for run in use.runs)
                    self._growth.setdefault(site.name, []).append((use.tensor, use.axis, per_unit))

    def after(self, units: Mapping[str, int], layers: int = 0) -> int:
        """Parameters with `units[site]` more units at each site, and `layers` parameters of inserted layers."""
        sizes: dict[str, list[int]] = {}
        for site, count in units.items():
            for tensor, axis, per_unit in self._growth.get(site, ()):
                shape = sizes.setdefault(tensor, list(self._shapes[tensor]))
                shape[axis] += count * per_unit
        grown = sum(math.prod(shape) - math.prod(self._shapes[tensor]) for tensor, shape in sizes.items())
        return self._fixed + grown + layers

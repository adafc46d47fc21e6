"""Which sites of a transformer are its MLPs, and which its heads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from growsearch.graph import NetworkGraph, Site

_NUMBERED = re.compile(r"(^|.*?\.)\d+\.")
_MIXING = ("attention", "matmul")
"""Rules of what attention computes over heads."""


@dataclass(frozen=True)
class Measured:
    """A site whose size is counted in something else than units: `per_unit` heads, or hidden features, a unit."""

    site: Site
    per_unit: int

    @property
    def size(self) -> int:
        """Heads, or hidden features."""
        return self.site.units * self.per_unit

    def channels(self, size: int) -> int:
        """What `growsearch.grow` is to add for this size: channels of the site's first producer."""
        return (size - self.size) // self.per_unit * self.site.granularity


@dataclass(frozen=True)
class Roles:
    """Sites inside the blocks that can grow exactly, by role; `frozen` those that cannot, and why, the heads first."""

    mlp: dict[str, Measured]
    heads: dict[str, Measured]
    frozen: dict[str, str]


def roles_of(graph: NetworkGraph) -> Roles:
    """Return the roles of the sites in `graph`. A block is a numbered module, as in `blocks.0`."""
    mlp: dict[str, Measured] = {}
    heads: dict[str, Measured] = {}
    frozen: dict[str, str] = {}
    for name, site in graph.sites.items():
        if _NUMBERED.match(name) is None:
            continue
        if site.kind != "exact":
            frozen[name] = site.reason
            continue
        attended = _heads_per_unit(graph, site)
        if attended:
            heads[name] = Measured(site, attended)
        elif not any(graph.calls[call].rule in _MIXING for call in site.path):
            mlp[name] = Measured(site, _taken_in(site))
    return Roles(mlp, heads, frozen)


def _heads_per_unit(graph: NetworkGraph, site: Site) -> int:
    """How many heads of queries a unit is; 0 where the site's units are no heads."""
    for call in site.path:
        layout = graph.layout(call, site.name)
        shape = graph.calls[call].shape
        if graph.calls[call].rule in _MIXING and layout is not None and shape is not None:
            axis, runs, _ = layout
            if len(shape) >= 4 and axis == len(shape) - 3:
                return sum(run.repeat for run in runs)
    return 0


def _taken_in(site: Site) -> int:
    """How many inputs of a consumer a unit is."""
    uses = [use for use in site.axes if use.role == "in"]
    return min((sum(run.repeat for run in use.runs) for use in uses), default=1)

"""Which sites of a transformer are its MLPs, which its heads, and which its residual stream."""

from __future__ import annotations

import re
from dataclasses import dataclass

from growsearch.graph import NetworkGraph, Site

_NUMBERED = re.compile(r"(^|.*?\.)\d+\.")
_MIXING = ("attention", "matmul")
"""Rules of what attention computes over heads."""


@dataclass(frozen=True)
class Measured:
    """A site whose size is counted in something else than units: `per_unit` heads, or features, a unit."""

    site: Site
    per_unit: int

    @property
    def size(self) -> int:
        """Heads, or features."""
        return self.site.units * self.per_unit

    def channels(self, size: int) -> int:
        """What `growsearch.grow` is to add for this size: channels of the site's first producer."""
        return (size - self.size) // self.per_unit * self.site.granularity


@dataclass(frozen=True)
class Roles:
    """Sites that can grow exactly, by role: `mlp` and `heads` inside the blocks, `residual` what blocks add to.

    `frozen` are those inside the blocks that cannot, and why, the heads first; `no_residual` those that blocks add to.
    """

    mlp: dict[str, Measured]
    heads: dict[str, Measured]
    residual: dict[str, Measured]
    frozen: dict[str, str]
    no_residual: dict[str, str]


def roles_of(graph: NetworkGraph) -> Roles:
    """Return the roles of the sites in `graph`. A block is a numbered module, as in `blocks.0`."""
    mlp: dict[str, Measured] = {}
    heads: dict[str, Measured] = {}
    residual: dict[str, Measured] = {}
    frozen: dict[str, str] = {}
    no_residual: dict[str, str] = {}
    for name, site in graph.sites.items():
        if _crosses(site) and any(graph.calls[call].rule == "add" for call in site.path):
            if site.kind == "exact":
                residual[name] = Measured(site, site.granularity)
            else:
                no_residual[name] = site.reason
            continue
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
    return Roles(mlp, heads, residual, frozen, no_residual)


def _crosses(site: Site) -> bool:
    """Whether tensors inside a block and tensors outside of it have the site's channels."""
    places = {match.group() if (match := _NUMBERED.match(use.tensor)) else "" for use in site.axes}
    return len(places) > 1


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

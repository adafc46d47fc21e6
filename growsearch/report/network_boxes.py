"""The network of a run before and after growth, as boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from growsearch.graph import NetworkGraph, trace
from growsearch.training.artifact import load_network, read_description

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Box:
    """A layer, a place where branches meet, or an end of the network.

    `before` and `after` are widths in channels: `before` is None for a layer that growth inserted, both are None where
    a box has no site, so that it cannot change. `sources` are the boxes that feed it.
    """

    name: str
    what: str
    before: int | None
    after: int | None
    sources: tuple[str, ...]

    @property
    def inserted(self) -> bool:
        """Whether growth made this layer."""
        return self.after is not None and self.before is None


def network_boxes(folder: Path, before: Mapping[str, int], allow_import: bool = False) -> list[Box]:
    """Return the boxes of a finished run's network, each after those that feed it.

    `before` are the widths of its sites before the first growth event. Normalisations, activations and whatever else
    only carries units along are left out. Raises `GrowsearchError` where the network cannot be rebuilt, as one that the
    user's own package makes without `allow_import`.
    """
    import networkx  # slow to import, and only networks that grew are drawn

    model = load_network(folder, allow_import)
    description = read_description(folder)
    dtype: torch.dtype = getattr(torch, description.input_dtype)
    example = torch.zeros(2, *description.input_shape, dtype=dtype)
    with torch.no_grad():
        graph = trace(model, example)
    produced = {call: site for site in graph.sites.values() for call in site.producers}
    contracted = _contracted(graph)
    boxes = []
    for name in networkx.topological_sort(contracted):
        site = produced.get(name)
        boxes.append(
            Box(
                name=name,
                what=graph.calls[name].rule or graph.calls[name].kind,
                before=None if site is None else before.get(site.name),
                after=None if site is None else site.width,
                sources=tuple(contracted.predecessors(name)),
            )
        )
    return boxes


def _contracted(graph: NetworkGraph) -> networkx.DiGraph[str]:
    """The calls that produce or consume a site's units, or join several, and how they feed each other."""
    import networkx

    flow: networkx.DiGraph[str] = networkx.DiGraph()
    for name, call in graph.calls.items():
        if call.kind not in ("parameter", "constant"):
            flow.add_node(name)
            flow.add_edges_from((source, name) for _, source in call.references() if source in flow)
    kept = {call for site in graph.sites.values() for call in (*site.producers, *site.consumers)}
    kept |= {name for name, call in graph.calls.items() if call.kind in ("input", "output")}
    kept |= {name for name in flow if len(_tensors(graph, flow, name)) > 1}
    for name in list(networkx.topological_sort(flow)):
        if name not in kept:
            flow.add_edges_from([(one, two) for one in flow.predecessors(name) for two in flow.successors(name)])
            flow.remove_node(name)
    return flow


def _tensors(graph: NetworkGraph, flow: networkx.DiGraph[str], name: str) -> list[str]:
    """What feeds a call, constants left out; the parts of one nested output count once."""
    sources = set(flow.predecessors(name))
    return sorted({one for one in sources if graph.calls[one].kind not in ("parameter", "constant")})

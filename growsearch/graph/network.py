"""The graph of a network: calls, sites and costs, as a view that holds no tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from growsearch.graph.block_site import BlockSite
from growsearch.graph.call import Call
from growsearch.graph.site import DepthSite, Run, Site
from growsearch.graph.sites import Layout

if TYPE_CHECKING:
    from networkx import MultiDiGraph


@dataclass(frozen=True)
class NetworkGraph:
    """What `growsearch.trace` returns.

    `calls` are in execution order; `sites` hold every channel space with a producer and a consumer, frozen ones too;
    `flops` are those of one forward pass of one sample, 2 for a multiply-add of convolutions, linear layers and
    attention. `owned` lists (parameter, call of the module that owns it, name there). `no_block_sites` says, by path of
    a container of alike blocks, why it is no block site.
    """

    calls: dict[str, Call]
    sites: dict[str, Site]
    depth_sites: dict[str, DepthSite]
    parameters: int
    flops: int
    owned: tuple[tuple[str, str, str], ...] = field(repr=False)
    layouts: dict[str, dict[str, Layout]] = field(repr=False)
    block_sites: dict[str, BlockSite] = field(default_factory=dict)
    no_block_sites: dict[str, str] = field(default_factory=dict)

    def layout(self, call: str, site: str) -> tuple[int, tuple[Run, ...], int] | None:
        """(axis, runs, size of the axis) where the output of a call carries a site's units; None where it does not."""
        return self.layouts.get(call, {}).get(site)

    def _repr_svg_(self) -> str:
        """Draw the graph, as notebooks show it."""
        from growsearch.drawing.svg import graph_svg

        return graph_svg(self)

    def __str__(self) -> str:
        """List what can grow, a row a group of coupled channels."""
        from growsearch.drawing.plain import graph_text

        return graph_text(self)

    def input_layout(self, call: str, site: str) -> tuple[int, tuple[Run, ...], int] | None:
        """The layout in the first input of a call that carries a site's units; None where none does."""
        for _, name in self.calls[call].references():
            found = self.layout(name, site)
            if found is not None:
                return found
        return None

    @cached_property
    def networkx(self) -> MultiDiGraph[str]:
        """A frozen graph whose nodes are calls and parameters; its edges carry argument positions."""
        import networkx  # slow to import, and needed to look at a graph only

        graph: MultiDiGraph[str] = networkx.MultiDiGraph()
        for call in self.calls.values():
            graph.add_node(
                call.name, kind=call.kind, target=call.target, scope=call.scope, shape=call.shape, rule=call.rule
            )
            for position, source in call.references():
                graph.add_edge(source, call.name, argument=position)
        for parameter, call_name, attribute in self.owned:
            if parameter not in graph:
                graph.add_node(parameter, kind="parameter", target=parameter, scope="", shape=None, rule="parameter")
            graph.add_edge(parameter, call_name, argument=attribute)
        networkx.freeze(graph)
        return graph

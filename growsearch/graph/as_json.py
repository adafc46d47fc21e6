"""A graph as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from growsearch.graph.network import NetworkGraph


def to_json(graph: NetworkGraph) -> dict[str, Any]:
    """Return plain data for `json.dump`: networkx's node-link form, sites, depth sites and totals."""
    import networkx  # slow to import

    return {
        "parameters": graph.parameters,
        "flops": graph.flops,
        "sites": [{**asdict(site), "width": site.width} for site in graph.sites.values()],
        "depth_sites": [asdict(site) for site in graph.depth_sites.values()],
        "block_sites": [asdict(site) for site in graph.block_sites.values()],
        "no_block_sites": dict(graph.no_block_sites),
        "graph": networkx.node_link_data(graph.networkx, edges="edges"),
    }

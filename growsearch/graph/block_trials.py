"""Which block sites the model's code really runs to their end, found by a block more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from growsearch.graph.block_site import BlockSite
from growsearch.graph.network import NetworkGraph
from growsearch.graph.trials import Trials

if TYPE_CHECKING:
    from growsearch.surgery import Edit


def tried_blocks(graph: NetworkGraph, trials: Trials) -> NetworkGraph:
    """`graph` without the block sites at which the model does not run as a longer chain when a block is added.

    A loop over a number that is written in the code, say, leaves the new block out.
    """
    refused = _culprits(trials, list(graph.block_sites.values()))
    sites = {name: site for name, site in graph.block_sites.items() if name not in refused}
    return replace(graph, block_sites=sites, no_block_sites=graph.no_block_sites | refused)


def _culprits(trials: Trials, sites: Sequence[BlockSite]) -> dict[str, str]:
    reason = _failure(trials, sites) if sites else None
    if reason is None:
        return {}
    if len(sites) == 1:
        return {sites[0].name: f"the model's code counts its blocks, as a run with one more shows: {reason}"}
    return {name: why for site in sites for name, why in _culprits(trials, [site]).items()}


def _failure(trials: Trials, sites: Sequence[BlockSite]) -> str | None:
    return trials.failure_of(block_edits(sites), lambda after: block_difference(after, sites))


def block_edits(sites: Sequence[BlockSite]) -> list[Edit]:
    """A block more at the end of each chain."""
    from growsearch.surgery import BlockInsertion  # the surgery is built on this package

    return [BlockInsertion.at(site, [(site.blocks - 1, site.blocks - 1)]) for site in reversed(sites)]


def block_difference(after: NetworkGraph, sites: Sequence[BlockSite]) -> str | None:
    """Which chain is not a block longer in the graph `after` these edits; None where all are."""
    for site in sites:
        found = after.block_sites.get(site.name)
        if found is None or found.blocks != site.blocks + 1:
            why = after.no_block_sites.get(site.container, "")
            number = 0 if found is None else found.blocks
            return f"{site.name!r} is a chain of {number} blocks then, not {site.blocks + 1}{why and f': {why}'}"
    return None

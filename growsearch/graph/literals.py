"""Sizes that a model's code holds as numbers: sites that the operations alone would let grow, and that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from growsearch.graph.counts import search_attributes
from growsearch.graph.network import NetworkGraph
from growsearch.graph.site import Site
from growsearch.graph.trials import Trials

LITERAL = "a size is written as a number in the model's code"


def freeze_literals(graph: NetworkGraph, trials: Trials) -> NetworkGraph:
    """`graph` with every site frozen for which the model does not run when that site is one unit wider.

    All sites are tried at once; only where that fails, halves of them, and so on. What a layer keeps as a number beside
    its own weights (an `nf` or `channels` of the user's) follows where that makes it run.
    """
    sites = dict(graph.sites)
    for name, reason in _culprits(trials, [site for site in sites.values() if site.kind != "frozen"]).items():
        site = sites[name]
        own = search_attributes(trials, site, owners_only=True)
        if own:
            sites[name] = replace(site, attributes=own)
        else:
            why = f"{LITERAL}, as a run with one unit more shows: {reason}"
            sites[name] = replace(site, kind="frozen", reason=why, attributes=())
    return replace(graph, sites=sites)


def _culprits(trials: Trials, sites: Sequence[Site]) -> dict[str, str]:
    """By name, why each site that does not run by itself does not."""
    reason = trials.failure(sites) if sites else None
    if reason is None:
        return {}
    if len(sites) == 1:
        return {sites[0].name: reason}
    middle = len(sites) // 2
    return _culprits(trials, sites[:middle]) | _culprits(trials, sites[middle:])

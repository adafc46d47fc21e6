"""Sizes that a model's code holds as numbers: sites that the operations alone would let grow, and that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from growsearch.graph.counts import alike, search_attributes
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
    told: set[str] = set()
    while True:
        open_sites = [site for name, site in sites.items() if site.kind != "frozen" and name not in told]
        found = _culprit(trials, open_sites)
        if found is None:
            return replace(graph, sites=sites)
        name, reason = found
        told.add(name)
        own = search_attributes(trials, sites[name], owners_only=True)
        if own:
            sites[name] = replace(sites[name], attributes=own)
            others = [site for site in open_sites if site.name != name and not site.attributes]
            sites |= {site.name: site for site in alike(trials, sites[name], others)}
        else:
            why = f"{LITERAL}, as a run with one unit more shows: {reason}"
            sites[name] = replace(sites[name], kind="frozen", reason=why, attributes=())


def _culprit(trials: Trials, sites: Sequence[Site]) -> tuple[str, str] | None:
    """The first site that does not run by itself, and why; None where there is none."""
    reason = trials.failure(sites) if sites else None
    if reason is None:
        return None
    if len(sites) == 1:
        return sites[0].name, reason
    middle = len(sites) // 2
    return _culprit(trials, sites[:middle]) or _culprit(trials, sites[middle:])

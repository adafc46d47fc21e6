"""Which sites an initializer refuses, so that a policy can go on with the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

from torch import nn

from growsearch.errors import GrowthRefused, GrowthWarning
from growsearch.graph import BlockSite, NetworkGraph, Site
from growsearch.growth.context import GrowthContext
from growsearch.growth.policy import Policy
from growsearch.growth.statistics.collect import require_gradient_matrix
from growsearch.growth.strategy import Initializer


def refused_beforehand(
    policy: Policy, model: nn.Module, graph: NetworkGraph, sites: Mapping[str, Site], trainable: frozenset[str] | None
) -> dict[str, str]:
    """By name, why `how` can make no units at a site, or `where` not rank it, whatever the data.

    Args:
        policy: its initializer and its selector.
        model: the network.
        graph: its graph.
        sites: those that may change.
        trainable: names of the parameters that train; None: all.

    Raises:
        GrowthRefused: that is so at every site.
    """

    def attempt(name: str) -> None:
        policy.how.require(model, graph, sites[name], trainable)
        if "gradient_matrix" in policy.where.needs:
            require_gradient_matrix(model, graph, sites[name])

    found = _reasons(sites, attempt)
    if found and len(found) == len(sites):
        raise GrowthRefused("; ".join(dict.fromkeys(found.values())))
    return found


def refused_blocks(
    how: Initializer, sites: Mapping[str, BlockSite], trainable: frozenset[str] | None
) -> dict[str, str]:
    """By name, why `how` can make no blocks at a site, whatever the data; `GrowthRefused` where that is so at all."""
    found = _reasons(sites, lambda name: how.require_blocks(sites[name], trainable))
    if found and len(found) == len(sites):
        raise GrowthRefused("; ".join(dict.fromkeys(found.values())))
    return found


def refused_now(how: Initializer, context: GrowthContext) -> dict[str, str]:
    """By name, why `how` refuses a site by itself."""
    return _reasons(context.names, lambda name: how.propose({name: 1}, context))


def _reasons(names: Iterable[str], attempt: Callable[[str], object]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            attempt(name)
        except GrowthRefused as error:
            found[name] = str(error)
    return found


def warn_of(left_out: Mapping[str, str]) -> None:
    """Tell which sites growth leaves out from now on, and why; nothing where there are none."""
    if left_out:
        told = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
        warnings.warn(f"from now on growth leaves out {told}", GrowthWarning, stacklevel=3)


def why_none_grows(graph: NetworkGraph) -> str:
    """Why a network has no site that can grow, by what its sites say."""
    reasons = {site.reason for site in graph.sites.values() if site.reason}
    return f"the network has no site that can grow: {'; '.join(sorted(reasons)) or 'no hidden layer'}"


def why_no_blocks(graph: NetworkGraph) -> str:
    """Why a network has no block site, by what its containers of alike blocks say."""
    reasons = "; ".join(sorted(set(graph.no_block_sites.values())))
    none = "it has no nn.ModuleList or nn.Sequential of blocks that give a tensor of the shape of their input"
    return f"the network has no blocks that can be copied: {reasons or none}"

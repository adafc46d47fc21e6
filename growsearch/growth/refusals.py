"""Which sites an initializer refuses, so that a policy can go on with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth.context import GrowthContext
from growsearch.growth.strategy import Initializer


def refused_beforehand(
    how: Initializer, model: nn.Module, graph: NetworkGraph, sites: Mapping[str, Site], trainable: frozenset[str] | None
) -> dict[str, str]:
    """By name, why `how` can make no units at a site, whatever the data.

    Args:
        how: the initializer.
        model: the network.
        graph: its graph.
        sites: those that may change.
        trainable: names of the parameters that train; None: all.
    """
    return _reasons(sites, lambda name: how.require(model, graph, sites[name], trainable))


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

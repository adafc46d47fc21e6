"""Whether what is about to be installed can learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Role, Site
from growsearch.growth.candidate import Candidate, NewUnit, Split
from growsearch.growth.directions import NEARLY_ZERO, fill_norm
from growsearch.growth.trainable import named_weights, require_distinct_copies, require_trained, trains
from growsearch.growth.unit_weights import mean_norm


def require_learning(
    model: nn.Module, graph: NetworkGraph, chosen: Sequence[Candidate], trainable: frozenset[str] | None
) -> None:
    """`GrowthRefused` where one of `chosen` adds a unit that could never learn.

    Args:
        model: the network, before the growth.
        graph: its graph.
        chosen: the candidates.
        trainable: names of the parameters that train; None: all.
    """

    @cache  # the same for all units of a site
    def usual(name: str, role: Role) -> float:
        return mean_norm(model, graph.sites[name], role)

    def empty(site: Site, c: NewUnit, role: Role) -> bool:
        return fill_norm(site, c.fills, role) <= NEARLY_ZERO * usual(site.name, role)

    for c in chosen if trainable is not None else ():
        if isinstance(c, Split):
            (require_trained if c.shifts else require_distinct_copies)(graph.sites[c.site], trainable)
        if not isinstance(c, NewUnit):
            continue
        site = graph.sites[c.site]
        # A side learns where it is trained and the other one is not zero.
        incoming = trains(site, "out", trainable) and not empty(site, c, "in")
        outgoing = trains(site, "in", trainable) and not empty(site, c, "out")
        if not incoming and not outgoing:
            raise GrowthRefused(
                f"site {site.name!r}: of a new unit's weights ({named_weights(site, 'out')}; "
                f"{named_weights(site, 'in')}), those that are trained get no gradient, because the others start at "
                "zero: let the others train, or use another how"
            )

"""Whether what is about to be installed can learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Role, Site
from growsearch.growth.candidate import Candidate, NewUnit, Split
from growsearch.growth.directions import NEARLY_ZERO, fill_norms
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
    if trainable is None:
        return
    units: dict[str, list[NewUnit]] = {}
    for c in chosen:
        if isinstance(c, Split):
            (require_trained if c.shifts else require_distinct_copies)(graph.sites[c.site], trainable)
        if isinstance(c, NewUnit):
            units.setdefault(c.site, []).append(c)
    for name, new in units.items():
        _require_of_units(model, graph.sites[name], new, trainable)


def _require_of_units(model: nn.Module, site: Site, units: Sequence[NewUnit], trainable: frozenset[str]) -> None:
    def silent(role: Role) -> Tensor:
        return fill_norms(site, [c.fills for c in units], role) <= NEARLY_ZERO * mean_norm(model, site, role)

    # A side learns where it is trained and the other one is not zero.
    still = torch.ones(len(units), dtype=torch.bool)
    if trains(site, "out", trainable):
        still &= silent("in")
    if trains(site, "in", trainable):
        still &= silent("out")
    if still.any():
        raise GrowthRefused(
            f"site {site.name!r}: of a new unit's weights ({named_weights(site, 'out')}; "
            f"{named_weights(site, 'in')}), those that are trained get no gradient, because the others start at "
            "zero: let the others train, or use another how"
        )

"""Function-preserving control: the layer's own initialisation against zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import (
    Candidate,
    GrowthContext,
    Initializer,
    NewUnit,
    Side,
    SiteEnds,
    own_start,
    require_written,
    stream_units,
)


class Zero(Initializer):
    """One side of each new unit is zero, the other starts as PyTorch initialises the layer.

    The outgoing side is zero unless `side` says otherwise: that preserves the function behind any activation. At a
    stream under layer or RMS normalisation, what new channels are written is given, and what reads them starts as
    PyTorch initialises the layer.
    """

    summary: ClassVar[str] = "one side zero, the other from the layer's own initialisation"
    why: ClassVar[str] = "the plainest start that changes nothing: the control for every other one"
    source: ClassVar[str] = "control; Net2Net-style, Chen et al. 2016"
    preserves: ClassVar[str] = "the function, exactly"

    side: Side = Field("outgoing", description="which weights start at zero; auto: incoming where that preserves")

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        if site.stream is None:
            SiteEnds(model, graph, site, trainable).zero_side(self.side)
        else:
            require_written(site, trainable)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [c for name, units in plan.items() if units for c in self._at(name, units, context)]

    def _at(self, name: str, units: int, context: GrowthContext) -> list[NewUnit]:
        site = context.sites[name]
        if site.stream is not None:
            return stream_units(
                context.model, site, units, own_start(context.model, context.generator), context.trainable
            )
        ends = SiteEnds(context.model, context.graph, site, context.trainable)
        zero = ends.zero_side(self.side)
        vectors = ends.starts("incoming" if zero == "outgoing" else "outgoing", units, context.generator)
        descent = ends.random_incoming(units, context.generator) if zero == "incoming" else None
        return ends.candidates(zero, vectors, descent=descent)

"""Random directions, scaled to the existing units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

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
    random_directions,
    random_start,
    require_written,
    stream_units,
)


class Random(Initializer):
    """One side is zero, the other a random direction with `scale` times the mean norm of the existing units' weights.

    It differs from GradMax in the direction alone, so it is the control for it. `positive` draws from U(0, 1), as the
    code of the GradMax authors does; the fair control is `signed`. At a stream under layer or RMS normalisation, what
    new channels are written is given; the directions are those of what reads them, layer by layer.
    """

    summary: ClassVar[str] = "random directions, scaled to the existing units"
    why: ClassVar[str] = "what a direction is worth: the control for GradMax"
    source: ClassVar[str] = "control; Evci et al. 2022, GradMax, section 4"
    preserves: ClassVar[str] = "the function (to 1e-7 behind ReLU)"

    scale: float = Field(0.25, gt=0, description="norm of a new unit's non-zero side")
    norm: Literal["relative", "fixed"] = Field(
        "relative", description="relative: in mean norms of the existing units; fixed: as it is"
    )
    distribution: Literal["signed", "positive"] = Field("signed", description="Gaussian directions, or U(0, 1)")
    side: Side = Field(
        "auto", description="which weights start at zero; auto: outgoing behind batch normalisation and ReLU"
    )

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
        site, generator, positive = context.sites[name], context.generator, self.distribution == "positive"
        if site.stream is not None:
            draw = random_start(context.model, site, generator, self._length, positive)
            return stream_units(context.model, site, units, draw, context.trainable)
        ends = SiteEnds(context.model, context.graph, site, context.trainable)
        zero = ends.zero_side(self.side)
        other: Literal["incoming", "outgoing"] = "incoming" if zero == "outgoing" else "outgoing"
        vectors = [
            random_directions(units, ends.length(other, channel), generator, positive)
            * self._length(ends.mean_norm(other, channel))
            for channel in range(len(ends.producers))
        ]
        descent = ends.random_incoming(units, generator) if zero == "incoming" else None
        return ends.candidates(zero, vectors, descent=descent)

    def _length(self, mean_norm: float) -> float:
        return self.scale * (mean_norm if self.norm == "relative" else 1.0)

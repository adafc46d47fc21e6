"""Random directions, scaled to the existing units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import Candidate, GrowthContext, Initializer, NewUnit, Side, SiteEnds, random_directions


class Random(Initializer):
    """One side is zero, the other a random direction with `scale` times the mean norm of the existing units' weights.

    It differs from GradMax in the direction alone, so it is the control for it. `positive` draws from U(0, 1), as the
    code of the GradMax authors does; the fair control is `signed`.
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
        SiteEnds(model, graph, site, trainable).zero_side(self.side)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [c for name, units in plan.items() if units for c in self._at(name, units, context)]

    def _at(self, name: str, units: int, context: GrowthContext) -> list[NewUnit]:
        ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
        zero = ends.zero_side(self.side)
        other: Literal["incoming", "outgoing"] = "incoming" if zero == "outgoing" else "outgoing"
        vectors = [
            random_directions(units, ends.length(other, channel), context.generator, self.distribution == "positive")
            * (self.scale * (ends.mean_norm(other, channel) if self.norm == "relative" else 1.0))
            for channel in range(len(ends.producers))
        ]
        descent = ends.random_incoming(units, context.generator) if zero == "incoming" else None
        return ends.candidates(zero, vectors, descent=descent)

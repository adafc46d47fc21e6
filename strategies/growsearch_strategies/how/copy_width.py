"""Width by copies of all units, streams under normalisations included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import (
    Candidate,
    FillKey,
    GrowthContext,
    GrowthRefused,
    Initializer,
    Kinds,
    NewUnit,
    own_start,
    require_distinct_copies,
    require_untied,
    stream_units,
)
from growsearch.growth import Split as UnitSplit
from growsearch.growth.unit_weights import fill_shape, weight_of


class CopyWidth(Initializer):
    """New units copy the existing ones in their order, again and again; copies share the outgoing weights.

    `unequal`, as in LEMON: the copy gets the part `share` of them, its unit the rest; a unit's next copies get ever
    less, so that no two are alike. `symmetric`, as in HyperCloning: both get half, and noise is added to the one's
    weights and taken from the other's. Either way the copies have different gradients, and the function stays.

    At a stream under layer or RMS normalisation, copies of all channels together leave mean and variance as they are.
    Channels beyond a multiple of the width start as LEMON's average expansion: with the mean of what is written, or 0
    under RMS normalisation, which the norms follow.
    """

    summary: ClassVar[str] = "copies of all units in turn with unequal or noisy shares, streams included"
    why: ClassVar[str] = "a wider transformer that goes on where the small one was, at any width"
    source: ClassVar[str] = (
        "Wang et al. 2023, LEMON: Lossless Model Expansion, section 4; Samragh et al. 2024, Scaling Smart: HyperCloning"
    )
    makes: ClassVar[Kinds] = frozenset({UnitSplit, NewUnit})
    preserves: ClassVar[str] = "the function, exactly, behind any activation and through normalisations of streams"

    shares: Literal["unequal", "symmetric"] = Field("unequal", description="of a unit and its copy")
    share: float = Field(0.25, gt=0, lt=0.5, description="a copy's part of the outgoing weights, where unequal")
    noise: float = Field(
        0.1, gt=0, description="standard deviation of the noise in those of the weights, where symmetric"
    )

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        if site.stream is None or site.stream.shared is None:
            require_untied(site)
        if site.kind == "mixing":
            raise GrowthRefused(
                f"site {site.name!r}: copies of channels would change what normalisations over them see "
                f"({site.reason}); use how: zero"
            )
        require_distinct_copies(site, trainable)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [c for name, units in plan.items() if units for c in self._at(name, units, context)]

    def _at(self, name: str, units: int, context: GrowthContext) -> list[Candidate]:
        site = context.sites[name]
        self.require(context.model, context.graph, site, context.trainable)
        if site.stream is None:
            return [*self._copies(site, context.eligible(name), units, context)]
        rest = units % site.units
        copies = self._copies(site, list(range(site.units)), units - rest, context)
        if not rest:
            return [*copies]
        draw = own_start(context.model, context.generator)
        return [*copies, *stream_units(context.model, site, rest, draw, context.trainable)]

    def _copies(self, site: Site, sources: list[int], units: int, context: GrowthContext) -> list[UnitSplit]:
        if not sources:
            return []
        if self.shares == "symmetric" and units > len(sources):
            raise GrowthRefused(
                f"site {site.name!r}: with symmetric shares a unit has one copy in an event, but {units} copies of "
                f"{len(sources)} units are asked for; grow in several events, or use shares: unequal"
            )
        return [
            UnitSplit(
                site=site.name,
                index=i,
                parameters=site.parameters_per_unit,
                flops=site.flops_per_unit,
                source=sources[i % len(sources)],
                share=self._share(i // len(sources)),
                shifts=self._noise(site, context) if self.shares == "symmetric" else {},
            )
            for i in range(units)
        ]

    def _share(self, round_: int) -> float:
        """Of a copy, in shares of its unit."""
        return 1.0 if self.shares == "symmetric" else (self.share / (1 - self.share)) ** (round_ + 1)

    def _noise(self, site: Site, context: GrowthContext) -> dict[FillKey, tuple[Tensor, Tensor]]:
        """What is added to the outgoing weights of a unit and taken from those of its copy."""
        written = {(w.tensor, w.axis) for w in site.stream.writers} if site.stream is not None else set()
        shifts: dict[FillKey, tuple[Tensor, Tensor]] = {}
        for use in site.axes:
            if use.role != "in" or (use.tensor, use.axis) in written:
                continue
            weight = weight_of(context.model, use)
            drawn = torch.randn(fill_shape(use, weight), generator=context.generator).to(weight)
            noise = drawn * (self.noise * weight.double().square().mean().sqrt().to(weight))
            shifts[use.tensor, use.axis] = (noise, -noise)
        return shifts

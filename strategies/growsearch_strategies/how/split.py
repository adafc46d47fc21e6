"""Copies of existing units that share their outgoing weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import (
    Candidate,
    GrowthContext,
    GrowthRefused,
    Initializer,
    Kinds,
    require_distinct_copies,
    require_untied,
)
from growsearch.growth import Split as UnitSplit


class Split(Initializer):
    """Net2WiderNet: a new unit copies a random one; the copies share its outgoing weights.

    Everything that belongs to the unit is copied, batch-normalisation parameters and statistics included, so the
    function stays the same behind any activation. `noise` makes the shares unequal, which breaks the tie between the
    copies without changing the function: their gradients differ from the first step on.
    """

    summary: ClassVar[str] = "copies of random units, which share their outgoing weights"
    why: ClassVar[str] = "more capacity for what was learned already"
    source: ClassVar[str] = "Chen et al. 2016, Net2Net: Net2WiderNet"
    makes: ClassVar[Kinds] = frozenset({UnitSplit})
    preserves: ClassVar[str] = "the function, exactly, behind any activation"

    noise: float = Field(0.1, ge=0, lt=1, description="largest deviation of a copy's share from 1")

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        if site.stream is not None:
            raise GrowthRefused(
                f"site {site.name!r} passes normalisations over all of its channels: copies of some of them would "
                "change what these see; use how: copy_width, which copies all, or zero"
            )
        require_untied(site)
        require_distinct_copies(site, trainable)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [c for name, units in plan.items() if units for c in self._at(name, units, context)]

    def _at(self, name: str, units: int, context: GrowthContext) -> list[Candidate]:
        site = context.sites[name]
        self.require(context.model, context.graph, site, context.trainable)
        eligible = context.eligible(name)
        sources: list[int] = []
        while eligible and len(sources) < units:
            sources += [eligible[i] for i in torch.randperm(len(eligible), generator=context.generator).tolist()]
        deviations = (torch.rand(units, generator=context.generator) * 2 - 1) * self.noise
        return [
            UnitSplit(
                site=name,
                index=i,
                parameters=site.parameters_per_unit,
                flops=site.flops_per_unit,
                source=sources[i],
                share=1.0 + float(deviations[i]),
            )
            for i in range(min(units, len(sources)))
        ]

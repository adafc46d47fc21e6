"""Variance transfer: new units in pairs that cancel, and old weights scaled to the new width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import Candidate, GrowthContext, Initializer, NewUnit, SiteEnds, require_untied
from growsearch.growth.unit_weights import UnitWeights, weight_of
from growsearch_strategies.variance_transfer.rescaling import rescaling

__all__ = ["VarianceTransfer"]


class VarianceTransfer(Initializer):
    """New units come in pairs with the same incoming weights V, and outgoing weights Z and -Z.

    A pair adds nothing, whatever lies between, and both sides of it have a gradient at once. V and Z are Gaussian with
    variance `gain` / fan-in: of the layer as it is for V, of the wider one for Z. Existing weights of the layers that
    read the site are scaled by sqrt(C / C'), from C units to C', so that old and new weights have the variance that a
    network of the new width would have begun with; see `variance_transfer.rescaling` for where that is undone.

    `rescale: normalised` rescales where a normalisation behind the layer undoes it, so that the function stays. `all`
    is what the paper does with networks without normalisation: every layer that reads the site, the output layer by
    C / C', which scales what it gives. An odd unit without a partner starts with outgoing weights of 0.

    Half of the method is the learning rate: `growth.new_units.learning_rate: cohort`. Ours: weights between two units
    that are new at two sites in the same event start at 0, so the fan-in of V is the present one.
    """

    summary: ClassVar[str] = "new units in pairs that cancel, old weights scaled to the new width"
    why: ClassVar[str] = (
        "weights old and new of one scale, and a gradient on both sides of new units from the first step"
    )
    source: ClassVar[str] = (
        "Yuan et al. 2023, Accelerated Training via Incrementally Growing Neural Networks using Variance Transfer and "
        "Learning Rate Adaptation, section 3.1 and table 1"
    )
    usual: ClassVar[tuple[str, str]] = ("geometric", "uniform")
    preserves: ClassVar[str] = "the function, exactly, behind any activation"

    gain: float = Field(1.0, gt=0, description="variance of new weights, in 1 / fan-in")
    rescale: Literal["normalised", "all", "none"] = Field(
        "normalised", description="which layers' existing weights; all: changes the function where none is normalised"
    )

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        SiteEnds(model, graph, site, trainable)
        require_untied(site)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [c for name, units in plan.items() if units for c in self._at(name, units, context)]

    def _at(self, name: str, units: int, context: GrowthContext) -> list[NewUnit]:
        site = context.sites[name]
        ends = SiteEnds(context.model, context.graph, site, context.trainable)
        require_untied(site)
        pairs, wider = -(-units // 2), (site.units + units) / site.units
        incoming = [self._drawn(ends, parts, pairs, 1.0, context.generator) for parts in ends.producers]
        outgoing = [self._drawn(ends, parts, pairs, wider, context.generator) for parts in ends.consumers]
        signs = torch.tensor([1.0, -1.0]).repeat(pairs)[:units, None]
        found = ends.candidates("outgoing", [_twice(v)[:units] for v in incoming])
        fills = ends.fills("outgoing", [signs * _twice(z)[:units] for z in outgoing])
        rescaled, exact = (
            (None, True)
            if self.rescale == "none"
            else rescaling(context.model, context.graph, site, every=self.rescale == "all")
        )
        return [
            replace(
                c,
                fills={**c.fills, **{key: value[c.index] for key, value in fills.items()}},
                twin=c.index ^ 1,
                rescaling=rescaled,
                exact=exact,
            )
            for c in found
        ]

    def _drawn(
        self, ends: SiteEnds, parts: list[UnitWeights], pairs: int, wider: float, generator: torch.Generator
    ) -> Tensor:
        """Gaussian weights `[pairs, length]` of one side; `wider` is by how much the layers' fan-in grows."""
        drawn = [torch.randn(pairs, part.size, generator=generator) * self._std(ends, part, wider) for part in parts]
        return torch.cat(drawn, 1)

    def _std(self, ends: SiteEnds, part: UnitWeights, wider: float) -> float:
        """The fan-in is what one output of the layer reads: of an outgoing weight the layer's, after the growth."""
        weight = weight_of(ends.model, part.use)
        outputs = weight.shape[part.use.axis] if part.use.role == "out" else len(part.channels)
        fan_in = weight.numel() / outputs * (1.0 if part.use.role == "out" else wider)
        return float((self.gain / fan_in) ** 0.5)


def _twice(rows: Tensor) -> Tensor:
    return rows.repeat_interleave(2, 0)

"""Deeper by copies of trained blocks."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from growsearch.graph import BlockSite
from growsearch.growth import GrowthRefused
from growsearch_strategies.blocks import Copying


class Stack(Copying):
    """Multiply the depth by copies of trained blocks, which compute what their blocks do from the first step on.

    The function changes: the loss jumps at the event, and is back, and below, within tens of steps. Networks that are
    initialised for their depth, with what a block adds to the stream drawn smaller by the root of it, as `gpt` is, keep
    that scale when they are stacked; `rescale: depth` multiplies it by the root of the depth before over that after,
    in all blocks, so that the stream keeps its size. The paper does not.
    """

    summary: ClassVar[str] = "deeper: copies of trained blocks"
    why: ClassVar[str] = "transformers of a prescribed depth at fewer FLOPs: depth that has been trained is copied"
    source: ClassVar[str] = (
        "Du et al. 2024, Stacking Your Transformers, G_stack; Kim et al. 2023, SOLAR (order: middle)"
    )
    preserves: ClassVar[str] = "not the function: the loss jumps at the event, which measures by how much"
    exact: ClassVar[bool] = False

    rescale: Literal["none", "depth"] = Field(
        "none", description="depth: what blocks add to the stream shrinks by the root of the depth's growth"
    )

    def rescales(self) -> bool:
        """See `Copying.rescales`."""
        return self.rescale == "depth"

    def require_blocks(self, site: BlockSite, trainable: frozenset[str] | None = None) -> None:
        """See `Initializer.require_blocks`."""
        if self.rescales() and not site.outputs:
            raise GrowthRefused(
                f"block site {site.name!r}: rescale: depth needs residual blocks, but {site.reason}; use rescale: none"
            )

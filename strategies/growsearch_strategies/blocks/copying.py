"""What strategies that copy whole blocks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from growsearch.graph import BlockSite
from growsearch.growth import Candidate, GrowthContext, Initializer, Kinds, StackedBlock
from growsearch_strategies.blocks.orders import Order, copies


class Copying(Initializer):
    """Base of the strategies that lengthen a chain of blocks by copies of its blocks."""

    makes: ClassVar[Kinds] = frozenset({StackedBlock})

    factor: float = Field(2.0, gt=1, allow_inf_nan=False, description="by which one event multiplies the depth")
    blocks: int | None = Field(None, ge=1, description="blocks that one event adds to every chain, in place of factor")
    order: Order = Field("stack", description="stack: 1 2 1 2; interleave: 1 1 2 2; middle: 1 2 3 2 3 4")
    optimizer_state: Literal["copied", "reset"] = Field(
        "copied", description="of the copies: that of the blocks that they copy, or none, as of new parameters"
    )

    def added_blocks(self, blocks: int) -> int:
        """See `Initializer.added_blocks`."""
        return self.blocks or max(1, round(blocks * (self.factor - 1)))

    def zeroed(self, site: BlockSite) -> tuple[str, ...]:
        """The parameters, named within a block, that are zero in a copy."""
        return ()

    def rescales(self) -> bool:
        """Whether what all blocks add to the stream shrinks with their number."""
        return False

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        """See `Initializer.propose`."""
        found: list[Candidate] = []
        for name, added in plan.items():
            site = context.block_sites[name]
            self.require_blocks(site, context.trainable)
            for index, (behind, source) in enumerate(copies(self.order, site.blocks, added)):
                found.append(
                    StackedBlock(
                        name,
                        index,
                        site.parameters[source],
                        site.flops[source],
                        source,
                        behind,
                        self.zeroed(site),
                        self.optimizer_state,
                        self.rescales(),
                        exact=self.exact,
                    )
                )
        return found

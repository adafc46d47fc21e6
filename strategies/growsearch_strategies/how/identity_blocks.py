"""Deeper by copies of blocks that start as the identity."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from growsearch.graph import BlockSite
from growsearch.growth import GrowthRefused
from growsearch_strategies.blocks import Copying, Order


class IdentityBlocks(Copying):
    """Copy blocks, with the last weights of their residual branches at zero: they add nothing to the stream at first.

    What is zero learns first, and then all of the copy. That is the last linear layer or convolution of every branch,
    weight and bias, the normalisation behind it, or the scale that it is multiplied with.
    """

    summary: ClassVar[str] = "deeper: copies of trained blocks whose output projections start at zero"
    why: ClassVar[str] = "deeper transformers and ResNets without a jump of the loss, late in training too"
    source: ClassVar[str] = "Wu et al. 2024, LLaMA Pro: Progressive LLaMA with Block Expansion, section 3.2"
    preserves: ClassVar[str] = "the function, exactly"

    order: Order = Field("interleave", description="interleave: 1 1 2 2; stack: 1 2 1 2; middle: 1 2 3 2 3 4")

    def zeroed(self, site: BlockSite) -> tuple[str, ...]:
        """See `Copying.zeroed`."""
        return site.outputs

    def require_blocks(self, site: BlockSite, trainable: frozenset[str] | None = None) -> None:
        """See `Initializer.require_blocks`."""
        if not site.outputs:
            raise GrowthRefused(
                f"block site {site.name!r}: no copy of a block can start as the identity, because {site.reason}; use "
                "how: stack"
            )
        for block in range(site.blocks) if trainable is not None else ():
            fixed = [n for n in site.outputs if f"{site.path(block)}.{n}" not in (trainable or ())]
            if len(fixed) == len(site.outputs):
                raise GrowthRefused(
                    f"block site {site.name!r}: {site.path(block) + '.' + fixed[0]!r} is not trained, so a copy of it "
                    "that starts at zero would stay there: let it require gradients and give it to the optimizer"
                )

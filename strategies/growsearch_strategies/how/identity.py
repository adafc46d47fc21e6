"""New layers that start as the identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from growsearch.growth import Candidate, GrowthContext, Initializer, Kinds, NewLayer, new_layer


class Identity(Initializer):
    """Deepen the network: Net2DeeperNet's identity layer, or a residual block whose last layer is zero.

    An identity layer preserves the function only behind an activation with phi(phi(z)) = phi(z), such as ReLU; a
    residual block does so anywhere.
    """

    summary: ClassVar[str] = "deeper: identity layers or residual blocks that start at zero"
    why: ClassVar[str] = "deeper networks from shallow ones that were quick to train"
    source: ClassVar[str] = "Chen et al. 2016, Net2Net: Net2DeeperNet; Wen et al. 2020, AutoGrow"
    usual: ClassVar[tuple[str, str]] = ("plateau", "singular_value")
    preserves: ClassVar[str] = "the function, exactly"
    makes: ClassVar[Kinds] = frozenset({NewLayer})

    layer: Literal["auto", "identity", "residual"] = Field(
        "auto", description="auto: identity behind an idempotent activation, else residual"
    )
    kernel: int = Field(3, ge=1, description="kernel size of new convolutions, odd")

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("kernel must be odd, so that a layer can pass its input on")
        return kernel

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        places = [(name, context.depth_sites[name]) for name, layers in plan.items() if layers]
        found = [new_layer(name, place, context.generator, self.layer, self.kernel) for name, place in places]
        return [candidate for candidate in found if candidate is not None]

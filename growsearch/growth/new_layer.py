"""A new layer as a candidate."""

from __future__ import annotations

import math
from typing import Literal

import torch

from growsearch.graph import DepthSite
from growsearch.growth.candidate import NewLayer
from growsearch.surgery import Insertion


def new_layer(
    name: str,
    site: DepthSite,
    generator: torch.Generator,
    layer: Literal["auto", "identity", "residual"] = "auto",
    kernel: int = 3,
) -> NewLayer | None:
    """A layer behind the module at depth site `name` that leaves the function as it is.

    `auto` is an identity layer behind an idempotent activation, else a residual block; None where an identity layer is
    asked for and would change the function. `kernel` is that of convolutions, odd.

    Args:
        name: of the site.
        site: behind which the layer comes.
        generator: that its weights are drawn from.
        layer: its kind.
        kernel: size of convolutions.
    """
    if layer == "identity" and not site.activation:
        return None
    kind = "identity" if site.activation and layer != "residual" else "residual"
    seed = int(torch.randint(2**31, (1,), generator=generator))
    insertion = Insertion(name, kind, site.channels, site.spatial, kernel if site.spatial else 1, seed)
    parameters, flops = layer_cost(insertion, site)
    return NewLayer(name, 0, parameters, flops, insertion)


def layer_cost(insertion: Insertion, site: DepthSite) -> tuple[int, int]:
    """Parameters and forward FLOPs per sample of the layer (two in a residual block) that `insertion` adds."""
    weights = insertion.channels**2 * insertion.kernel**insertion.spatial
    layers = 1 if insertion.layer == "identity" else 2
    positions = math.prod(site.shape[2:]) if site.spatial else math.prod(site.shape[1:-1])
    return layers * (weights + insertion.channels), layers * 2 * weights * positions

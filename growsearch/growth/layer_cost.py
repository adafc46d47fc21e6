"""What an inserted layer costs."""

from __future__ import annotations

import math

from growsearch.graph import DepthSite
from growsearch.surgery import Insertion


def layer_cost(insertion: Insertion, place: DepthSite) -> tuple[int, int]:
    """Parameters and forward FLOPs per sample of the layer (two in a residual block) that `insertion` adds."""
    weights = insertion.channels**2 * insertion.kernel**insertion.spatial
    layers = 1 if insertion.layer == "identity" else 2
    positions = math.prod(place.shape[2:]) if place.spatial else math.prod(place.shape[1:-1])
    return layers * (weights + insertion.channels), layers * 2 * weights * positions

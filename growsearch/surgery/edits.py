"""A structural change as plain data, by parameter name."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class AxisEdit:
    """One axis of one tensor, re-indexed.

    Position `p` of the new axis is old position `source[p]`, or new where `source[p]` is -1: so keeping, removing,
    duplicating (split) and adding positions are one operation. `fill` gives the values at the new positions: a number,
    or a tensor shaped like the tensor *before any edit of this growth* but with this axis as long as there are new
    positions. `scale` multiplies each new position (the shares of a split unit), one number per new position.
    """

    tensor: str
    axis: int
    source: tuple[int, ...]
    fill: Tensor | float = 0.0
    scale: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Insertion:
    """A layer inserted behind the module at `path`, which becomes `nn.Sequential(old, new)`.

    `layer` names the kind ("identity": a linear or convolution layer at the identity followed by the same activation;
    "residual": a residual block whose last layer is zero), so that a grown network can be rebuilt from its seed.
    """

    path: str
    layer: str
    channels: int
    spatial: int
    kernel: int


Edit = AxisEdit | Insertion

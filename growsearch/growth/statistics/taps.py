"""The matrix of GradMax for a pair of convolutions, exact at every stride, padding and dilation.

Entry `[c, b, i, a]` is the derivative, summed over samples, of the loss by the product of a second-layer weight (output
channel c, tap b) and a first-layer weight (input channel i, tap a) of one new unit between the two layers. The unit's
activation lives on the first layer's output grid: tap b of the second layer reads grid position `s2 q + d2 b - p2` at
output position q, and nothing where that lies outside the grid (zero padding).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Kernel, stride, leading zero padding and dilation of a convolution, one number per spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


@dataclass(frozen=True)
class _Reach:
    """What one spatial dimension contributes: kernel taps by which the input is read, and for which output positions.

    `tap` is None for the composite reading (all taps of the second layer at once, all output positions), else the tap
    whose output positions `[first, last]` are meant. The input window starts at `start` (in unpadded coordinates).
    """

    tap: int | None
    sign: int
    first: int
    last: int
    start: int
    kernel: int
    dilation: int


def tap_matrix(
    x: Float[Tensor, "n inputs *space"],
    g: Float[Tensor, "n outputs *space2"],
    first: Geometry,
    second: Geometry,
    grid: tuple[int, ...],
) -> Float[Tensor, "outputs taps2 inputs taps1"]:
    """The matrix above, summed over the samples.

    `x` is the first layer's input, `g` the loss gradient at the second layer's output, `grid` the spatial size of the
    first layer's output. In every dimension the cheaper exact way is taken: one weight gradient per tap of the second
    layer, or (both dilations 1) one with the composite kernel `k1 + s1 (k2 - 1)`, whose taps `a + s1 b` hold all of
    them, less the border strips that the second layer's zero padding hides.

    Args:
        x: the first layer's input.
        g: the loss gradient at the second layer's output.
        first: the first layer.
        second: the second layer.
        grid: spatial size between the two.
    """
    dims = len(grid)
    choices = [_reaches(d, g.shape[2 + d], first, second, grid[d]) for d in range(dims)]
    x, before = _padded(x, choices, first, second)
    out = x.new_zeros((g.shape[1], *second.kernel, x.shape[1], *first.kernel))
    for reaches in itertools.product(*choices):
        _accumulate(out, x, g, reaches, before, first, second)
    return out.reshape(g.shape[1], math.prod(second.kernel), x.shape[1], math.prod(first.kernel))


def _reaches(d: int, outputs: int, first: Geometry, second: Geometry, grid: int) -> list[_Reach]:
    k1, s1, p1, d1 = first.kernel[d], first.stride[d], first.padding[d], first.dilation[d]
    k2, s2, p2, d2 = second.kernel[d], second.stride[d], second.padding[d], second.dilation[d]

    def single(tap: int, lo: int, hi: int, sign: int) -> _Reach:
        return _Reach(tap, sign, lo, hi, s1 * (s2 * lo + d2 * tap - p2) - p1, k1, d1)

    visible = [
        (max(0, math.ceil((p2 - d2 * b) / s2)), min(outputs - 1, (grid - 1 + p2 - d2 * b) // s2)) for b in range(k2)
    ]
    per_tap = [single(b, lo, hi, 1) for b, (lo, hi) in enumerate(visible) if lo <= hi]
    composite = k1 + s1 * (k2 - 1)
    if d1 > 1 or d2 > 1 or composite >= k1 * k2:
        return per_tap
    strips = [
        single(b, lo, hi, -1)
        for b, (low, high) in enumerate(visible)
        for lo, hi in ((0, min(low, outputs) - 1), (max(high + 1, low), outputs - 1))
        if lo <= hi
    ]
    return [_Reach(None, 1, 0, outputs - 1, -p1 - s1 * p2, composite, 1), *strips]


def _padded(
    x: Tensor, choices: list[list[_Reach]], first: Geometry, second: Geometry
) -> tuple[Tensor, tuple[int, ...]]:
    """`x` with zeros on both sides wide enough for every window, and how many in front per dimension."""
    pads: list[int] = []
    before: list[int] = []
    for d, reaches in enumerate(choices):
        step = first.stride[d] * second.stride[d]
        ends = [r.start + (r.last - r.first) * step + r.dilation * (r.kernel - 1) + 1 for r in reaches]
        front = max(0, *(-r.start for r in reaches)) if reaches else 0
        back = max(0, *(end - x.shape[2 + d] for end in ends)) if reaches else 0
        before.append(front)
        pads = [front, back, *pads]
    return (F.pad(x, pads) if any(pads) else x), tuple(before)


def _accumulate(
    out: Tensor,
    x: Tensor,
    g: Tensor,
    reaches: tuple[_Reach, ...],
    before: tuple[int, ...],
    first: Geometry,
    second: Geometry,
) -> None:
    stride = [s1 * s2 for s1, s2 in zip(first.stride, second.stride, strict=True)]
    for d, r in enumerate(reaches):
        positions = r.last - r.first + 1
        g = g.narrow(2 + d, r.first, positions)
        length = (positions - 1) * stride[d] + r.dilation * (r.kernel - 1) + 1
        x = x.narrow(2 + d, r.start + before[d], length)
    gradient = weight_gradient(x, g, tuple(r.kernel for r in reaches), stride, [r.dilation for r in reaches])
    gradient = gradient * math.prod(r.sign for r in reaches)
    for taps in itertools.product(*(_taps(r, second.kernel[d]) for d, r in enumerate(reaches))):
        window = gradient
        for d, (tap, r) in enumerate(zip(taps, reaches, strict=True)):
            if r.tap is None:
                window = window.narrow(2 + d, first.stride[d] * tap, first.kernel[d])
        index: tuple[slice | int, ...] = (slice(None), *taps)
        out[index] += window


def _taps(reach: _Reach, kernel: int) -> Iterator[int]:
    return iter(range(kernel)) if reach.tap is None else iter((reach.tap,))


def weight_gradient(
    x: Tensor,
    g: Tensor,
    kernel: tuple[int, ...],
    stride: list[int],
    dilation: list[int],
    padding: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Gradient `[outputs, inputs / groups, *kernel]` of a convolution's weight from its input and output gradient.

    Args:
        x: inputs of a convolution.
        g: gradients at its outputs.
        kernel: its sizes.
        stride: of the convolution.
        dilation: of the convolution.
        padding: of the convolution.
        groups: of the convolution.
    """
    zeros = [0] * len(kernel)
    weight = x.new_empty((g.shape[1], x.shape[1] // groups, *kernel))
    result: Tensor = torch.ops.aten.convolution_backward(
        g, x, weight, None, stride, padding or zeros, dilation, False, zeros, groups, [False, True, False]
    )[1]
    return result

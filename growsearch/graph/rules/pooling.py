"""Pooling, resizing and padding: the last axes are positions, the ones before pass through."""

from __future__ import annotations

from torch import nn
from torch.nn.modules import padding, pooling

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, Unsupported, is_frozen

_POOLS = (
    *(pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._LPPoolNd),
    *(pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
)
_PADS = (padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd, padding._CircularPadNd)
_POOL_FUNCTIONS = ("max_pool", "avg_pool", "lp_pool", "adaptive_avg_pool", "adaptive_max_pool", "fractional_max_pool")


@rule(
    "pool",
    modules=_POOLS,
    functions=tuple(
        f"{kind}{dims}d{end}" for kind in _POOL_FUNCTIONS for dims in "123" for end in ("", "_with_indices")
    ),
)
def _pool(step: Step) -> list[Value]:
    return _positions(step, _digit(type(step.module).__name__ if step.module is not None else step.call.target))


@rule("pad", modules=_PADS)
def _pad_module(step: Step) -> list[Value]:
    return _positions(step, _digit(type(step.module).__name__))


@rule("interpolate", modules=(nn.Upsample,), functions="interpolate upsample")
def _interpolate(step: Step) -> list[Value]:
    return _positions(step, step.input.rank - 2)


def _digit(name: str) -> int:
    """2 for MaxPool2d."""
    digits = [character for character in name if character.isdigit()]
    if not digits:
        raise Unsupported("no number of axes in its name")
    return int(digits[-1])


def _positions(step: Step, dims: int) -> list[Value]:
    x = step.input
    first = x.rank - dims
    for pieces in x.axes[first:]:
        step.freeze(pieces, "combined as positions")
    return [Value(shape, (*x.axes[:first], *step.fixed(shape[first:], "positions"))) for shape in step.shapes]


@rule("pad", functions="pad")
def _pad(step: Step) -> list[Value]:
    """A padded channel axis is the old one between blocks that stay as they are."""
    x, amounts = step.tensor_argument(0, "input"), step.argument(1, "pad")
    mode = step.argument(2, "mode", "constant")
    if not isinstance(amounts, (tuple, list)) or not all(isinstance(amount, int) for amount in amounts):
        raise Unsupported("amounts that are not plain numbers")
    axes: list[Space] = list(x.axes)
    for index in range(len(amounts) // 2):
        axis, (before, after) = x.rank - 1 - index, (amounts[2 * index], amounts[2 * index + 1])
        if is_frozen(x.axes[axis]) or before < 0 or after < 0 or mode != "constant":
            step.freeze(x.axes[axis], "padded")
            axes[axis] = step.fixed([step.shapes[0][axis]], "positions")[0]
            continue
        zeros = [step.fixed([amount], "padding")[0] if amount else () for amount in (before, after)]
        axes[axis] = (*zeros[0], *x.axes[axis], *zeros[1])
    return step.output(axes)

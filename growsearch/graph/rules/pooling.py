"""Pooling, resizing and padding: the last axes are positions, the ones before pass through."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import padding, pooling

from growsearch.graph.call import Call
from growsearch.graph.path import Path
from growsearch.graph.replay import replay, replayed, substitute
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, Unsupported, is_frozen

_POOLS = (
    *(pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._LPPoolNd),
    *(pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
)
_PADS = (padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd, padding._CircularPadNd)
_POOL_FUNCTIONS = ("max_pool", "avg_pool", "lp_pool", "adaptive_avg_pool", "adaptive_max_pool", "fractional_max_pool")


_WITH_INDICES: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "max_pool1d": F.max_pool1d_with_indices,
    "max_pool2d": F.max_pool2d_with_indices,
    "max_pool3d": F.max_pool3d_with_indices,
}


def takes_means(path: Path, call: Call) -> bool:
    """Whether a pooling is linear."""
    name = type(path.model.get_submodule(call.target)).__name__ if call.kind == "module" else call.target
    return "avg" in name.lower()


def _winners(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    z = values[0]
    if takes_means(path, call):
        return replay(path.model, call, z)
    zeros = z.new_zeros(1, 1, *z.shape[2:])
    # Where all values are equal, max pooling passes the gradient to one position of each window: ask which.
    pooled, index = _with_indices(path, call, zeros)
    return z.flatten(2)[..., index.flatten()].reshape(*z.shape[:2], *pooled.shape[2:])


def _with_indices(path: Path, call: Call, zeros: Tensor) -> tuple[Tensor, Tensor]:
    if call.kind == "module":
        layer = path.model.get_submodule(call.target)
        if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            pool = _WITH_INDICES[f"max_pool{zeros.ndim - 2}d"]
            size = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)
            found: tuple[Tensor, Tensor] = pool(zeros, *size)
            return found
    elif call.target in _WITH_INDICES:
        found = _WITH_INDICES[call.target](*substitute(call.args, zeros), **substitute(call.kwargs, zeros))
        return found
    raise path.refusal(call)


@rule(
    "pool",
    linearise=_winners,
    respond=replayed,
    per_unit=True,
    modules=_POOLS,
    functions=tuple(
        f"{kind}{dims}d{end}" for kind in _POOL_FUNCTIONS for dims in "123" for end in ("", "_with_indices")
    ),
)
def _pool(step: Step) -> list[Value]:
    return _positions(step, _digit(type(step.module).__name__ if step.module is not None else step.call.target))


@rule("pad", per_unit=True, modules=_PADS)
def _pad_module(step: Step) -> list[Value]:
    return _positions(step, _digit(type(step.module).__name__))


@rule("interpolate", linearise=replayed, per_unit=True, modules=(nn.Upsample,), functions="interpolate upsample")
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

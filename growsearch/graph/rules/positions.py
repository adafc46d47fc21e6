"""Operations that mix positions along some axes, or sample them; channels pass through."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value, dimensions
from growsearch.graph.spaces import Unsupported, space, unify

_LAST = "fft ifft rfft irfft hfft ihfft"
_SEVERAL = "fft2 ifft2 rfft2 irfft2 hfft2 ihfft2 fftn ifftn rfftn irfftn hfftn ihfftn"


def _mixed(step: Step, x: Value, over: Iterable[int]) -> list[Value]:
    """The axes in `over` are mixed and may change their size."""
    over = set(over)
    for axis in over:
        step.freeze(x.axes[axis], "combined")
    outputs = []
    for shape in step.shapes:
        axes = [step.fixed([n], "positions")[0] if axis in over else x.axes[axis] for axis, n in enumerate(shape)]
        outputs.append(Value(shape, tuple(axes)))
    return outputs


@rule("fourier", functions=tuple(f"fft_{name}" for name in _LAST.split()))
def _fourier(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    return _mixed(step, x, dimensions(step.argument(2, "dim", -1), x.rank))


@rule("fourier", functions=tuple(f"fft_{name}" for name in _SEVERAL.split()))
def _fourier_several(step: Step) -> list[Value]:
    x, sizes = step.tensor_argument(0, "input"), step.argument(1, "s")
    dims = step.argument(2, "dim", (-2, -1) if step.call.target.endswith("2") else None)
    if dims is None:
        dims = range(x.rank) if sizes is None else range(-len(sizes), 0)
    return _mixed(step, x, dimensions(tuple(dims), x.rank))


@rule("along", functions="fft_fftshift fft_ifftshift")
def _shift(step: Step) -> list[Value]:
    x, dim = step.tensor_argument(0, "input"), step.argument(1, "dim")
    return _mixed(step, x, range(x.rank) if dim is None else dimensions(dim, x.rank))


@rule("along", functions="topk kthvalue")
def _largest(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    (along,) = dimensions(step.argument(2, "dim", -1), x.rank)
    if len(step.shapes[0]) == x.rank:
        return _mixed(step, x, [along])
    step.freeze(x.axes[along], "reduced")
    return [Value(shape, (*x.axes[:along], *x.axes[along + 1 :])) for shape in step.shapes]


@rule("along", functions="cummax cummin diff")
def _running(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    at = 2 if step.call.target == "diff" else 1
    if len(step.inputs) > 1:
        raise Unsupported("further tensors")
    return _mixed(step, x, dimensions(step.argument(at, "dim", -1), x.rank))


@rule("sample", functions="grid_sample affine_grid grid_sampler")
def _sample(step: Step) -> list[Value]:
    """`grid_sample(x, grid)`: positions are chosen by the grid; a grid made from coordinates is fixed."""
    x, *others = step.inputs
    step.freeze_all(others, f"used as a grid by {step.call.target} at {step.location}")
    if step.call.target == "affine_grid":
        step.freeze_all([x], f"used as coordinates by {step.call.target} at {step.location}")
        return step.output(step.fixed(step.shapes[0], "a grid"))
    return _mixed(step, x, (0, *range(2, x.rank)))


@rule("sample", functions="roi_align roi_pool")
def _regions(step: Step) -> list[Value]:
    """[batch, C, H, W] and boxes to [boxes, C, h, w]."""
    x, *others = step.inputs
    step.freeze_all(others, f"used as boxes by {step.call.target} at {step.location}")
    channels = x.axes[1]
    for axis in (0, 2, 3):
        step.freeze(x.axes[axis], "sampled")
    outputs = []
    for shape in step.shapes:
        fixed = step.fixed(shape, "regions")
        outputs.append(Value(shape, (fixed[0], channels, *fixed[2:])))
    return outputs


@rule(
    "unpool",
    modules=(nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d),
    functions="max_unpool1d max_unpool2d max_unpool3d",
)
def _unpool(step: Step) -> list[Value]:
    """Values and the indices of their positions, of one shape: both have the channels."""
    x, index = step.inputs[:2]
    for first, second in zip(x.axes, index.axes, strict=True):
        unify(first, second)
    dims = int(next(c for c in type(step.module).__name__ + step.call.target if c.isdigit()))
    return _mixed(step, x, range(x.rank - dims, x.rank))


@rule("unfold", modules=(nn.Unfold,), functions="unfold im2col")
def _unfold(step: Step) -> list[Value]:
    """A window along one axis becomes a new last one; or, of a map, [batch, C * kernel, windows]."""
    x, shape = step.input, step.shapes[0]
    if len(shape) == x.rank + 1:
        (along,) = dimensions(step.argument(1, "dimension", step.call.kwargs.get("dim")), x.rank)
        step.freeze(x.axes[along], "cut into windows")
        new = step.fixed((shape[along], shape[-1]), "windows")
        return step.output((*x.axes[:along], new[0], *x.axes[along + 1 :], new[1]))
    for pieces in x.axes[-2:]:
        step.freeze(pieces, "cut into windows")
    kernel = shape[-2] // x.shape[-3]
    channels = tuple((block, repeat * kernel) for block, repeat in x.axes[-3])
    return step.output((*x.axes[:-3], channels, *step.fixed(shape[-1:], "windows")))


@rule("unfold", modules=(nn.Fold,), functions="fold col2im")
def _fold(step: Step) -> list[Value]:
    """[batch, C * kernel, windows] to [batch, C, H, W]."""
    x, shape = step.input, step.shapes[0]
    channels = space(shape[-3])
    unify(x.axes[-2], tuple((block, repeat * (x.shape[-2] // shape[-3])) for block, repeat in channels))
    step.freeze(x.axes[-1], "put together")
    return step.output((*x.axes[:-2], channels, *step.fixed(shape[-2:], "positions")))

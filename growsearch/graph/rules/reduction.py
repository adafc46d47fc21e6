"""Reductions of axes, and operations along an axis that keep its size: over channels, both freeze."""

from __future__ import annotations

from torch import nn

from growsearch.graph.replay import replayed
from growsearch.graph.rules.pointwise import elementwise
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value, dimensions
from growsearch.graph.spaces import Space, Unsupported

_DIM_AT = {
    "norm": 2,
    "vector_norm": 2,
    "linalg_norm": 2,
    "linalg_vector_norm": 2,
    "quantile": 2,
    "nanquantile": 2,
    "normalize": 2,
    "roll": 2,
    "gumbel_softmax": 4,
}


@rule("mean", linearise=replayed, per_unit=True, functions="mean sum")
@rule(
    "reduce",
    per_unit=True,
    functions="""
    all amax amin any argmax argmin count_nonzero logsumexp max median min nanmean nansum norm prod std std_mean
    var var_mean vector_norm linalg_norm linalg_vector_norm special_logsumexp aminmax mode nanmedian quantile
    nanquantile
    """,
)
def _reduce(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    if len(step.inputs) == 2 and step.call.target in ("max", "min"):
        return elementwise(step)
    if len(step.inputs) == 2:
        raise Unsupported("two tensors")
    argument = step.argument(_DIM_AT.get(step.call.target, 1), "dim", step.call.kwargs.get("axis"))
    if isinstance(argument, bool):  # std(unbiased) without axes
        argument = None
    over = set(range(x.rank)) if argument is None or argument == () else set(dimensions(argument, x.rank))
    for axis in over:
        step.freeze(x.axes[axis], "reduced")
    axes = [pieces for axis, pieces in enumerate(x.axes) if axis not in over]
    if step.shapes and len(step.shapes[0]) == x.rank:
        axes = [step.fixed([1], "a reduced axis")[0] if axis in over else pieces for axis, pieces in enumerate(x.axes)]
    return [Value(shape, tuple(axes)) for shape in step.shapes]


@rule(
    "along",
    functions="""
    argsort cumprod cumsum flip gumbel_softmax log_softmax logcumsumexp normalize roll softmax softmin sort
    special_log_softmax special_softmax
    """,
)
def _along_dim(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    target = step.call.target
    name = "dims" if target in ("flip", "roll") else "dim"
    default = {"normalize": 1, "sort": -1, "argsort": -1, "gumbel_softmax": -1}.get(target)
    argument = step.argument(_DIM_AT.get(target, 1), name, default)
    if target == "flip" and isinstance(argument, int):  # one after the other, as a method takes them
        argument = step.call.args[1:]
    return _along(step, x, argument)


@rule("along", functions="tril triu")
def _triangle(step: Step) -> list[Value]:
    return _along(step, step.input, (-2, -1))


@rule("along", functions="local_response_norm", modules=(nn.LocalResponseNorm, nn.CrossMapLRN2d))
def _response_norm(step: Step) -> list[Value]:
    return _along(step, step.input, 1)


@rule("along", modules=(nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d))
def _softmax_module(step: Step) -> list[Value]:
    dim = -3 if isinstance(step.module, nn.Softmax2d) else getattr(step.module, "dim", None)
    return _along(step, step.input, dim)


def _along(step: Step, x: Value, argument: int | tuple[int, ...] | None) -> list[Value]:
    """Freeze the axes in `argument`, all of them where it is None."""
    over = range(x.rank) if argument is None else dimensions(argument, x.rank)
    for axis in over:
        step.freeze(x.axes[axis], "combined")
    axes: tuple[Space, ...] = x.axes
    return [Value(shape, axes) for shape in step.shapes]

"""Reading and writing at indices along one axis; the other axes pass through."""

from __future__ import annotations

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value, dimensions
from growsearch.graph.spaces import Unsupported, unify


@rule("index", functions="index_select index_add index_copy index_fill index_reduce")
def _index(step: Step) -> list[Value]:
    """`(x, dim, index, source)`, index [n]: what is added has x's other axes."""
    x, index = step.tensor_argument(0, "input"), step.tensor_argument(2, "index")
    (along,) = dimensions(step.argument(1, "dim"), x.rank)
    step.freeze(x.axes[along], "indexed")
    for axis in index.axes:
        step.freeze(axis, "used as index")
    source = step.value(step.argument(3, "source", step.call.kwargs.get("tensor")))
    if source is not None and source.rank == x.rank:
        _join(step, x, source, along)
    axes = list(x.axes)
    axes[along] = step.fixed([step.shapes[0][along]], "indexed positions")[0]
    return step.output(axes)


@rule("index", functions="gather take_along_dim")
def _gather(step: Step) -> list[Value]:
    """Index of x's rank: the result has its shape."""
    x = step.tensor_argument(0, "input")
    first, second = ((1, 2), (2, 1))[step.call.target == "take_along_dim"]
    dim, index = (
        step.argument(first, "dim"),
        step.value(step.argument(second, "index", step.call.kwargs.get("indices"))),
    )
    if dim is None or index is None or index.rank != x.rank:
        raise Unsupported("an index for all axes")
    (along,) = dimensions(dim, x.rank)
    _join(step, x, index, along)
    axes = list(x.axes)
    for axis, size in enumerate(step.shapes[0]):
        if axis == along or x.shape[axis] != size:
            axes[axis] = step.fixed([size], "indexed positions")[0]
    return step.output(axes)


@rule("index", functions="scatter scatter_add scatter_reduce")
def _scatter(step: Step) -> list[Value]:
    """`(x, dim, index, source)`, index and source of x's rank, or a number as source."""
    x, index = step.tensor_argument(0, "input"), step.tensor_argument(2, "index")
    (along,) = dimensions(step.argument(1, "dim"), x.rank)
    source = step.value(step.argument(3, "src", step.call.kwargs.get("value")))
    for value in (index, source):
        if value is not None and value.rank == x.rank:
            _join(step, x, value, along)
    return step.output(x.axes)


def _join(step: Step, x: Value, other: Value, along: int) -> None:
    """Axes of equal size go together, but for the one that is indexed."""
    for axis, (first, second) in enumerate(zip(x.axes, other.axes, strict=True)):
        if axis == along or x.shape[axis] != other.shape[axis]:
            step.freeze(first, "indexed")
            step.freeze(second, "indexed")
        else:
            unify(first, second)


@rule("index", functions="repeat_interleave")
def _repeat_interleave(step: Step) -> list[Value]:
    """Every position several times in a row."""
    x, times = step.tensor_argument(0, "input"), step.argument(1, "repeats")
    dim = step.argument(2, "dim")
    if dim is None:
        raise Unsupported("all axes in one")
    (along,) = dimensions(dim, x.rank)
    axes = list(x.axes)
    if isinstance(times, int) and times:
        axes[along] = tuple((block, repeat * times) for block, repeat in axes[along])
    else:
        step.freeze(axes[along], "repeated")
        axes[along] = step.fixed([step.shapes[0][along]], "repeated positions")[0]
    return step.output(axes)

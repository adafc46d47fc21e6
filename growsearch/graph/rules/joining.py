"""Joining and cutting along an axis: concatenation, stacking, chunks, splits and indexing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph.call import Call, Ref
from growsearch.graph.path import Path
from growsearch.graph.replay import references
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Axes, Step, Value, dimensions
from growsearch.graph.spaces import Space, Unsupported, is_frozen, take, tie, unify, width


def _joined(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    axis = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", call.kwargs.get("axis", 0))
    axis = axis % len(call.shape or (0,))
    if axis != path.channel_axis(call) and len(values) < len(references((call.args, call.kwargs))):
        raise path.refusal(call)
    return torch.cat(values, axis)


@rule("concat", linearise=_joined, per_unit=True, functions="cat")
def _concat(step: Step) -> list[Value]:
    values = [value for value in step.inputs if value.shape != (0,)]
    if not values:
        raise Unsupported("nothing to join")
    dim = step.argument(1, "dim", step.call.kwargs.get("axis", 0))
    return _join(step, values, dimensions(dim, values[0].rank)[0])


@rule("stack", functions="hstack vstack dstack column_stack row_stack")
def _stack_along(step: Step) -> list[Value]:
    """Concatenation along axis 1, 0 or 2; tensors with fewer axes get new ones."""
    along = {"vstack": 0, "row_stack": 0, "dstack": 2}.get(step.call.target, 1)
    if any(value.rank != len(step.shapes[0]) or value.rank <= along for value in step.inputs):
        raise Unsupported("tensors with fewer axes")
    return _join(step, step.inputs, along)


def _join(step: Step, values: list[Value], along: int) -> list[Value]:
    axes = list(values[0].axes)
    for value in values[1:]:
        for axis, pieces in enumerate(value.axes):
            if axis != along:
                unify(axes[axis], pieces)
    axes[along] = tuple(piece for value in values for piece in value.axes[along])
    return step.output(axes)


@rule("stack", functions="stack")
def _stack(step: Step) -> list[Value]:
    axes = list(step.input.axes)
    for value in step.inputs[1:]:
        for first, second in zip(axes, value.axes, strict=True):
            unify(first, second)
    (along,) = dimensions(step.argument(1, "dim", 0), len(axes) + 1)
    axes.insert(along, step.fixed([len(step.inputs)], "stacked tensors")[0])
    return step.output(axes)


@rule("split", per_unit=True, functions="chunk tensor_split")
def _chunk(step: Step) -> list[Value]:
    """Into a number of parts: they stay equal."""
    x, parts = step.tensor_argument(0, "input"), step.argument(1, "chunks", len(step.shapes))
    along = _along(step, x)
    equal = len({shape[along] for shape in step.shapes}) == 1 and parts == len(step.shapes)
    if not equal or is_frozen(x.axes[along]):
        step.freeze(x.axes[along], "cut into unequal parts")
        return _parts(step, x, along)
    tie(x.axes[along], parts)
    return _parts(step, x, along)


@rule("split", functions="hsplit vsplit dsplit")
def _split_along(step: Step) -> list[Value]:
    """Along axis 1, 0 or 2, into a number of equal parts or at borders that are numbers in the code."""
    x, parts = step.tensor_argument(0, "input"), step.argument(1, "sections", step.call.kwargs.get("indices"))
    along = min({"hsplit": 1, "vsplit": 0, "dsplit": 2}[step.call.target], x.rank - 1)
    if not isinstance(parts, int) or is_frozen(x.axes[along]):
        step.freeze(x.axes[along], "cut at fixed borders")
    else:
        tie(x.axes[along], parts)
    return _parts(step, x, along)


@rule("split", functions="split split_with_sizes")
def _split(step: Step) -> list[Value]:
    """Into parts of given sizes: numbers in the model's code; equal ones can follow where a module keeps them."""
    x = step.tensor_argument(0, "tensor")
    along = _along(step, x)
    if len({shape[along] for shape in step.shapes}) > 1 or is_frozen(x.axes[along]):
        step.freeze(x.axes[along], "cut into parts of fixed size")
    else:
        tie(x.axes[along], len(step.shapes))
        step.count(x.axes[along], "cut into parts of fixed size")
    return _parts(step, x, along)


def _along(step: Step, x: Value) -> int:
    return dimensions(step.argument(2, "dim", 0), x.rank)[0]


def _parts(step: Step, x: Value, along: int) -> list[Value]:
    values, start = [], 0
    for shape in step.shapes:
        stop = start + shape[along]
        values.append(Value(shape, (*x.axes[:along], take(x.axes[along], start, stop), *x.axes[along + 1 :])))
        start = stop
    return values


@rule("split", modules=(nn.GLU,), functions="glu")
def _gated(step: Step) -> list[Value]:
    """One half times the sigmoid of the other."""
    x = step.input
    dim = getattr(step.module, "dim", -1) if step.module is not None else step.argument(1, "dim", -1)
    (along,) = dimensions(dim, x.rank)
    half = tie(x.axes[along], 2)
    return step.output((*x.axes[:along], half, *x.axes[along + 1 :]))


@rule("split", functions="unbind")
def _unbind(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    (along,) = dimensions(step.argument(1, "dim", 0), x.rank)
    step.freeze(x.axes[along], "taken apart")
    return [Value(shape, (*x.axes[:along], *x.axes[along + 1 :])) for shape in step.shapes]


@rule("getitem", per_unit=True, functions="select")
def _select(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    (along,) = dimensions(step.argument(1, "dim"), x.rank)
    step.freeze(x.axes[along], "indexed")
    return step.output((*x.axes[:along], *x.axes[along + 1 :]))


@rule("getitem", functions="narrow")
def _narrow(step: Step) -> list[Value]:
    x, start, length = step.tensor_argument(0, "input"), step.argument(2, "start"), step.argument(3, "length")
    (along,) = dimensions(step.argument(1, "dim"), x.rank)
    if not isinstance(start, int) or not isinstance(length, int):
        raise Unsupported("a border that is no plain number")
    part = _slice(step, x.axes[along], slice(start, start + length))
    return step.output((*x.axes[:along], part, *x.axes[along + 1 :]))


@rule("getitem", functions="getitem")
def _getitem(step: Step) -> list[Value]:
    x, index = step.tensor_argument(0, "self"), step.argument(1, "index")
    indices = index if isinstance(index, tuple) else (index,)
    if any(isinstance(entry, (Ref, list)) for entry in indices):
        return _lookup(step, x, indices)
    used = sum(entry is not None and entry is not Ellipsis for entry in indices)
    axes: list[Space] = []
    rest = list(x.axes)
    for entry in indices:
        if entry is Ellipsis:
            count = x.rank - used
            axes += rest[:count]
            del rest[:count]
        elif entry is None:
            axes += step.fixed([1], "a new axis")
        elif isinstance(entry, slice):
            axes.append(_slice(step, rest.pop(0), entry))
        elif isinstance(entry, int) and not isinstance(entry, bool):
            step.freeze(rest.pop(0), "indexed")
        else:
            raise Unsupported("an index that is no plain number or slice")
    return step.output((*axes, *rest))


def _slice(step: Step, pieces: Space, entry: slice) -> Space:
    """Borders are numbers in the model's code: what lies between a border and the end that it counts from is fixed."""
    size = width(pieces)
    if entry.step not in (None, 1) or not all(isinstance(n, int | None) for n in (entry.start, entry.stop)):
        step.freeze(pieces, "indexed")
        return step.fixed([len(range(size)[_plain(entry)])], "indexed positions")[0]
    start, stop, _ = entry.indices(size)
    if start >= stop:
        step.freeze(pieces, "indexed")
        return step.fixed([0], "nothing")[0]
    for border in (entry.start, entry.stop):
        if border is None or border == 0:
            continue
        fixed = (0, min(border, size)) if border > 0 else (max(size + border, 0), size)
        step.freeze(take(pieces, *fixed), "cut at a fixed border")
    return take(pieces, start, stop)


def _plain(entry: slice) -> slice:
    if not all(isinstance(number, int | None) for number in (entry.start, entry.stop, entry.step)):
        raise Unsupported("a slice whose borders are tensors")
    return entry


def _lookup(step: Step, x: Value, indices: tuple[Any, ...]) -> list[Value]:
    """Indexing by one tensor or list in front (or behind full slices): that axis becomes the index's axes."""
    position = next(number for number, entry in enumerate(indices) if isinstance(entry, (Ref, list)))
    axes = _index_axes(step, indices[position])
    simple = all(entry == slice(None) for entry in indices[:position]) and position == len(indices) - 1
    if axes is None or not simple or len(step.shapes[0]) != x.rank - 1 + len(axes):
        raise Unsupported("an index with tensors")
    step.freeze(x.axes[position], "indexed")
    found = step.shapes[0][position : position + len(axes)]
    if found != tuple(map(width, axes)):  # an index by truth: as many as are true
        axes = step.fixed(found, "indexed positions")
    return step.output((*x.axes[:position], *axes, *x.axes[position + 1 :]))


def _index_axes(step: Step, index: Ref | list[Any]) -> Axes | None:
    """Those of a tensor, or of a list of plain numbers."""
    if isinstance(index, list):
        plain = all(isinstance(number, int) and not isinstance(number, bool) for number in index)
        return step.fixed([len(index)], "indexed positions") if plain else None
    value = step.value(index)
    return value.axes if value is not None else None

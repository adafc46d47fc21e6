"""Changes of shape: reshaping, permuting, inserting and dropping axes, expanding and repeating."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from growsearch.graph.call import Call
from growsearch.graph.path import Path
from growsearch.graph.replay import replayed
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import AxisSlot, Step, Value, dimensions
from growsearch.graph.spaces import Space, Unsupported, is_frozen, resolve, space
from growsearch.graph.splits import MANY, Split


def _flatten(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    shape, source = call.shape, call.input_shapes[0]
    if shape is None or len(shape) != 2 or shape[0] != source[0]:
        raise path.refusal(call)
    return values[0].flatten(1)


@rule(
    "reshape",
    linearise=_flatten,
    per_unit=True,
    modules=(nn.Flatten, nn.Unflatten),
    functions="flatten ravel reshape reshape_as unflatten view view_as",
)
def _reshape(step: Step) -> list[Value]:
    """Axes are matched by size in groups; within a group one axis of the old and one of the new ones may change."""
    x, shape = step.input, step.shapes[0]
    axes: list[Space] = []
    slots: list[AxisSlot | None] = []
    for old, new in _groups(x.shape, shape):
        if [x.shape[axis] for axis in old] == [shape[axis] for axis in new]:
            axes += [x.axes[axis] for axis in old]
            slots += [x.slots[axis] for axis in old]
        else:
            axes += _regroup(step, x, old, new)
            slots += [None] * len(new)
    return step.output(axes, slots)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """The finest grouping of old and new axes such that every group keeps its number of elements."""
    if 0 in old or 0 in new:
        return [(list(range(len(old))), list(range(len(new))))]
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        group: tuple[list[int], list[int]] = ([i], [j])
        a, b = old[i], new[j]
        i, j = i + 1, j + 1
        while a != b:
            if a < b:
                a *= old[i]
                group[0].append(i)
                i += 1
            else:
                b *= new[j]
                group[1].append(j)
                j += 1
        groups.append(group)
    if i < len(old) or j < len(new):  # axes of size 1 at the end
        groups.append((list(range(i, len(old))), list(range(j, len(new)))))
    return groups


def _regroup(step: Step, x: Value, old: list[int], new: list[int]) -> list[Space]:
    """Axes `old` of a tensor as axes `new` of the result; which of several changes is often known only later."""
    sizes = [step.shapes[0][axis] for axis in new]
    free = [axis for axis in old if not is_frozen(x.axes[axis])]
    shape = tuple(x.shape[axis] for axis in old)
    reason = f"reshaped from {shape} to {tuple(sizes)} by {step.call.target} at {step.location}"
    if not free or not new or 0 in sizes:
        for axis in free:
            step.freeze(x.axes[axis], "emptied")
        return list(step.fixed(sizes, reason))
    inferred = _inferred(step)
    hint = new.index(inferred) if inferred in new else None
    # An axis of size 1 can be the one that changes where the code leaves its size open: one head of attention.
    carriers = [number for number, size in enumerate(sizes) if size > 1 or number == hint] or [0]
    result = list(step.fixed(sizes, "an axis of size 1"))
    if len(free) == 1:
        changing, pieces = free[0], resolve(x.axes[free[0]])
        outer = prod(x.shape[axis] for axis in old if axis < changing)
        inner = prod(x.shape[axis] for axis in old if axis > changing)
        behind = prod(sizes[carriers[0] + 1 :])
        merged = len(carriers) == 1 and outer <= MANY
        if merged or (outer == inner == 1 and all(repeat % behind == 0 for _, repeat in pieces)):
            # Merged, inner axes repeat the units and outer ones the whole; or a merged axis is taken apart again.
            result = list(step.fixed(sizes, reason))
            result[carriers[0]] = tuple((block, repeat * inner // behind) for block, repeat in pieces) * outer
            return result
    for number in carriers:
        result[number] = space(sizes[number])
    step.splits.append(Split(tuple(x.axes[axis] for axis in old), tuple(result), reason, step.call.name, hint))
    return result


def _inferred(step: Step) -> int | None:
    """The axis of the result whose size the code wrote as -1."""
    first, argument = 0, step.argument(1, "shape")
    if isinstance(step.module, nn.Unflatten) or step.call.target == "unflatten":
        dim = getattr(step.module, "dim", None) if step.module is not None else step.argument(1, "dim")
        first = dimensions(dim, step.input.rank)[0]
        argument = step.argument(2, "sizes", getattr(step.module, "unflattened_size", None))
    sizes = argument if isinstance(argument, (tuple, list)) else step.call.args[1:]
    return next((first + number for number, size in enumerate(sizes) if size == -1), None)


@rule("permute", linearise=replayed, per_unit=True, functions="permute")
def _permute(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    argument = step.argument(1, "dims")
    order = dimensions(argument if isinstance(argument, (tuple, list)) else step.call.args[1:], x.rank)
    return _ordered(step, x, order)


@rule("permute", functions="transpose")
def _transpose(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    named = step.call.kwargs
    axes = step.argument(1, "dim0", named.get("axis0")), step.argument(2, "dim1", named.get("axis1"))
    first, second = dimensions(axes, x.rank)
    order = list(range(x.rank))
    order[first], order[second] = second, first
    return _ordered(step, x, tuple(order))


@rule("permute", functions="t T mT adjoint H mH")
def _matrix_transpose(step: Step) -> list[Value]:
    x = step.input
    if x.rank > 2 and step.call.target in ("t", "T", "H"):
        return _ordered(step, x, tuple(reversed(range(x.rank))))
    if x.rank < 2:
        return _ordered(step, x, tuple(range(x.rank)))
    return _ordered(step, x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))


@rule("permute", functions="moveaxis")
def _move(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    source, target = dimensions(step.argument(1, "source"), x.rank), dimensions(step.argument(2, "destination"), x.rank)
    order = [axis for axis in range(x.rank) if axis not in source]
    for position, axis in sorted(zip(target, source, strict=True)):
        order.insert(position, axis)
    return _ordered(step, x, tuple(order))


def _ordered(step: Step, x: Value, order: tuple[int, ...]) -> list[Value]:
    if len(order) != x.rank:
        raise Unsupported("not an order of all axes")
    return step.output([x.axes[axis] for axis in order], [x.slots[axis] for axis in order])


@rule("reshape", functions="unsqueeze")
def _unsqueeze(step: Step) -> list[Value]:
    x = step.tensor_argument(0, "input")
    (position,) = dimensions(step.argument(1, "dim"), x.rank + 1)
    new = step.fixed([1], "a new axis")
    return step.output((*x.axes[:position], *new, *x.axes[position:]), (*x.slots[:position], None, *x.slots[position:]))


@rule("reshape", functions="squeeze")
def _squeeze(step: Step) -> list[Value]:
    x, argument = step.tensor_argument(0, "input"), step.argument(1, "dim")
    named = range(x.rank) if argument is None else dimensions(argument, x.rank)
    kept = [axis for axis in range(x.rank) if axis not in named or x.shape[axis] != 1]
    for axis in set(range(x.rank)) - set(kept):
        step.freeze(x.axes[axis], "dropped")
    return step.output([x.axes[axis] for axis in kept], [x.slots[axis] for axis in kept])


@rule("expand", functions="broadcast_to expand expand_as")
def _expand(step: Step) -> list[Value]:
    """An expanded axis follows the tensor that gives the shape, where one does, and is fixed otherwise."""
    x, shape = step.tensor_argument(0, "input"), step.shapes[0]
    like = step.inputs[1].axes if step.call.target == "expand_as" else step.fixed(shape, "expanded to a fixed size")
    axes = list(like)
    first = len(shape) - x.rank
    for axis, pieces in enumerate(x.axes):
        if x.shape[axis] == shape[first + axis]:
            axes[first + axis] = pieces
        else:
            step.freeze(pieces, "expanded")
    return step.output(axes)


@rule("expand", functions="repeat tile")
def _repeat(step: Step) -> list[Value]:
    x, shape = step.input, step.shapes[0]
    first = len(shape) - x.rank
    axes = list(step.fixed(shape, "repeated"))
    for axis, pieces in enumerate(x.axes):
        times = shape[first + axis] // x.shape[axis] if x.shape[axis] else 0
        if times > MANY:
            step.freeze(pieces, "repeated often")
        elif times:
            axes[first + axis] = pieces * times
    return step.output(axes)

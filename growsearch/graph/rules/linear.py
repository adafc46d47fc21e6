"""Matrix products with weights (linear layers, embeddings) and between activations."""

from __future__ import annotations

from math import prod

from torch import nn

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, Unsupported, freeze, unify, width


@rule("linear", modules=(nn.Linear,))
def _module(step: Step) -> list[Value]:
    weight = step.parameter("weight")
    if weight is None:
        raise Unsupported("no weight")
    return _linear(step, step.input, weight, step.parameter("bias"))


@rule("linear", functions="linear")
def _function(step: Step) -> list[Value]:
    x, weight = step.tensor_argument(0, "input"), step.tensor_argument(1, "weight")
    return _linear(step, x, weight, step.value(step.argument(2, "bias")))


def _linear(step: Step, x: Value, weight: Value, bias: Value | None) -> list[Value]:
    """Weight: [out, in]."""
    if weight.rank != 2:
        raise Unsupported("a weight that is no matrix")
    step.consume(weight, 1, x.axes[-1])
    step.produce(weight, 0, weight.axes[0])
    step.follow(bias, 0, weight.axes[0], "bias")
    step.cost(2, *x.axes, weight.axes[0])
    return step.output((*x.axes[:-1], weight.axes[0]))


@rule("linear", functions="addmm sparse_addmm")
def _add_and_multiply(step: Step) -> list[Value]:
    bias = step.tensor_argument(0, "input")
    outputs = _matmul(step, step.tensor_argument(1, "mat1"), step.tensor_argument(2, "mat2"))
    step.follow(bias, bias.rank - 1, outputs[0].axes[-1], "bias")
    for axis in bias.axes[:-1]:
        step.freeze(axis, "broadcast")
    return outputs


@rule("matmul", functions="baddbmm")
def _batched_add_and_multiply(step: Step) -> list[Value]:
    bias = step.tensor_argument(0, "input")
    outputs = _matmul(step, step.tensor_argument(1, "batch1"), step.tensor_argument(2, "batch2"))
    for axis, pieces in enumerate(reversed(bias.axes), start=1):
        if bias.shape[-axis] == 1 != step.shapes[0][-axis]:
            step.freeze(pieces, "broadcast")
        else:
            step.follow(bias, bias.rank - axis, outputs[0].axes[-axis], "shift")
    return outputs


@rule("matmul", functions="matmul mm bmm sparse_mm smm hspmm")
def _product(step: Step) -> list[Value]:
    first, second = step.argument(0, "input"), step.argument(1, "mat2", step.call.kwargs.get("other"))
    x, y = step.value(first), step.value(second)
    if x is None or y is None:
        raise Unsupported("no tensor as argument")
    return _matmul(step, x, y)


def _matmul(step: Step, x: Value, y: Value) -> list[Value]:
    """[..., m, k] times [..., k, n]: with a parameter on one side a linear layer, otherwise k cannot grow."""
    if x.rank < 2 or y.rank < 2:
        raise Unsupported("a product with a vector")
    batch = _batch(step, x, y)
    inner, rows, columns = x.axes[-1], x.axes[-2], y.axes[-1]
    if y.rank == 2 and y.slots[0] is not None:
        step.consume(y, 0, inner)
        step.produce(y, 1, columns)
    elif x.rank == 2 and x.slots[1] is not None:
        inner = y.axes[-2]
        step.consume(x, 1, inner)
        step.produce(x, 0, rows)
    else:
        unify(inner, y.axes[-2])
        step.freeze(inner, "activations are multiplied over it")
    if step.call.flops == 2 * prod(width(pieces) for pieces in (*batch, rows, inner, columns)):
        step.cost(2, *batch, rows, inner, columns)
    else:  # a sparse matrix, whose own axes are fixed
        step.cost(step.call.flops // max(width(columns), 1), columns)
    return step.output((*batch, rows, columns))


def _batch(step: Step, x: Value, y: Value) -> tuple[Space, ...]:
    size = len(step.shapes[0]) - 2
    batch: list[Space] = []
    for position in range(size):
        spaces = []
        for value in (x, y):
            axis = position - size + value.rank - 2
            if axis < 0:
                continue
            if value.shape[axis] == 1 and step.shapes[0][position] != 1:
                step.freeze(value.axes[axis], "broadcast")
            else:
                spaces.append(value.axes[axis])
        for other in spaces[1:]:
            unify(spaces[0], other)
        batch.append(spaces[0])
    return tuple(batch)


@rule("embedding", modules=(nn.Embedding, nn.EmbeddingBag))
def _embedding_module(step: Step) -> list[Value]:
    weight = step.parameter("weight")
    if weight is None:
        raise Unsupported("no weight")
    return _embedding(step, step.input, weight, getattr(step.module, "max_norm", None))


@rule("embedding", functions="embedding")
def _embedding_function(step: Step) -> list[Value]:
    weight = step.tensor_argument(1, "weight")
    return _embedding(step, step.tensor_argument(0, "input"), weight, step.argument(3, "max_norm"))


def _embedding(step: Step, indices: Value, weight: Value, max_norm: float | None) -> list[Value]:
    """Weight: [vocabulary, features]. With `max_norm` every call scales the rows that it reads to that length."""
    freeze(weight.axes[0], f"rows are looked up by {step.call.target} at {step.location}")
    step.produce(weight, 1, weight.axes[1])
    if max_norm is not None:
        step.mix(weight.axes[1])
    rank = len(step.shapes[0])
    leading = indices.axes if indices.rank == rank - 1 else step.fixed(step.shapes[0][:-1], "bags of an embedding")
    return step.output((*leading, weight.axes[1]))

"""Attention over heads: whole heads can change, the width of each cannot."""

from __future__ import annotations

from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Unsupported, unify


def attend(step: Step, query: Value, key: Value, value: Value, mask: Value | None) -> list[Value]:
    """softmax(q k^T) v over `[..., heads, positions, width]`, with the same or grouped heads of keys and values.

    Args:
        step: the call.
        query: `[..., positions, width of a head]`.
        key: `[..., other positions, width of a head]`.
        value: `[..., other positions, width]`.
        mask: added to the scores, or None.
    """
    rank = query.rank
    if not rank == key.rank == value.rank or rank < 2:
        raise Unsupported("attention over tensors of different rank")
    for axis in range(rank - 2):
        _join(query, key, axis)
        unify(key.axes[axis], value.axes[axis])
        _join_mask(step, query, mask, axis - rank)
    unify(query.axes[-1], key.axes[-1])
    step.freeze(query.axes[-1], "activations are multiplied over it")
    unify(key.axes[-2], value.axes[-2])
    step.freeze(key.axes[-2], "positions are averaged")
    for axis, pieces in ((-2, query.axes[-2]), (-1, key.axes[-2])):
        if mask is not None and mask.rank >= -axis and mask.shape[axis] == sum(b.size * r for b, r in pieces):
            unify(mask.axes[axis], pieces)
    return step.output((*query.axes[:-1], value.axes[-1]))


def _join(query: Value, key: Value, axis: int) -> None:
    """Each head of keys serves `factor` consecutive heads of queries."""
    if query.shape[axis] % key.shape[axis]:
        raise Unsupported(f"{query.shape[axis]} heads of queries for {key.shape[axis]} heads of keys")
    factor = query.shape[axis] // key.shape[axis]
    unify(query.axes[axis], tuple((block, repeat * factor) for block, repeat in key.axes[axis]))


def _join_mask(step: Step, query: Value, mask: Value | None, axis: int) -> None:
    if mask is None or mask.rank < -axis:
        return
    if mask.shape[axis] == query.shape[axis]:
        unify(mask.axes[axis], query.axes[axis])
    else:
        step.freeze(mask.axes[axis], "broadcast")

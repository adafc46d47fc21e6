"""Which batches are for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

SAMPLES = 32
"""So many samples are enough for a step of learning: on whole batches of 128 it does not end better."""


def divided(batches: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Batches to learn from and batches to judge on; the last is held out from both.

    Of the others the first half, at least one, is to learn from. A single batch does everything, one of two does both.
    """
    rest = batches[:-1] if len(batches) > 1 else batches
    half = len(rest) // 2
    return (rest[:half], rest[half:]) if half else (rest, rest)


def in_parts(batches: Sequence[Any], samples: int = SAMPLES) -> list[Any]:
    """The batches in equal parts of at least `samples`; whole where not all that is in one is tensors of that many."""
    return [part for batch in batches for part in _parts(batch, samples)]


def _parts(batch: Any, samples: int) -> list[Any]:
    leaves, structure = tree_flatten(batch)
    if not leaves or not all(isinstance(leaf, Tensor) and leaf.ndim for leaf in leaves):
        return [batch]
    size = len(leaves[0])
    if size < 2 * samples or any(len(leaf) != size for leaf in leaves):
        return [batch]
    pieces = [leaf.tensor_split(size // samples) for leaf in leaves]
    return [tree_unflatten(list(part), structure) for part in zip(*pieces, strict=True)]

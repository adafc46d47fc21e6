"""The batches of several processes as those of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from growsearch.errors import InputError


def joined(batches: Sequence[Sequence[Any]]) -> list[Any]:
    """The global batches, from those of every process: tensors are joined along their first axis.

    Only as many as every process has, on the first one's device. Raises `InputError` where they are built differently,
    or hold what cannot be joined.
    """
    return [_join(several) for several in zip(*batches, strict=False)]


def _join(several: Sequence[Any]) -> Any:
    flat, spec = tree_flatten(several[0])
    parts = [tree_flatten(each) for each in several]
    if any(other != spec for _, other in parts):
        raise InputError("the batches of the processes are built differently: growing joins them to one")
    return tree_unflatten([_leaf([leaves[i] for leaves, _ in parts], like) for i, like in enumerate(flat)], spec)


def _leaf(leaves: Sequence[Any], like: Any) -> Any:
    if isinstance(like, Tensor) and like.ndim > 0:
        return torch.cat([leaf.to(like.device) for leaf in leaves])
    if all(type(leaf) is type(like) and bool(leaf == like) for leaf in leaves):
        return like
    raise InputError(
        f"a batch holds {like!r} in the first process and other values elsewhere: growing joins the batches of all "
        "processes, for which they have to hold tensors with an axis of samples, or the same everywhere"
    )

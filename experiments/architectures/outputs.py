"""What a network gives, and how far two answers are apart."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from growsearch.growth.dropout import WithoutDropout, dropout_off


def outputs_of(model: nn.Module, inputs: Any, *, training: bool, dtype: torch.dtype | None = None) -> list[Tensor]:
    """The floating-point tensors of the answer of a copy of `model`; train mode is without dropout.

    Random draws start from the same seed each time. `dtype` is that of parameters, buffers and inputs.
    """
    model, inputs = copy.deepcopy(model), copy.deepcopy(inputs)
    if dtype is not None:
        model = model.to(dtype)
        inputs = tree_map_only(Tensor, lambda each: each.to(dtype) if each.is_floating_point() else each, inputs)
    model.train(training)
    dropout_off(model)
    torch.manual_seed(0)
    with torch.no_grad(), WithoutDropout():
        answer = answer_of(model, inputs)
    return [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def answer_of(model: nn.Module, inputs: Any) -> Any:
    """Call `model` on inputs as `growsearch.trace` takes them: a tensor, a tuple of arguments, a dict of keywords."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def difference(before: list[Tensor], after: list[Tensor]) -> float:
    """The largest difference of two answers, each tensor relative to its own largest entry; infinite where shapes or
    numbers of tensors differ, or where one is not finite."""
    if [each.shape for each in before] != [each.shape for each in after]:
        return float("inf")
    return max((_difference(old, new) for old, new in zip(before, after, strict=True)), default=float("inf"))


def _difference(before: Tensor, after: Tensor) -> float:
    gap, scale = float((before - after).abs().max()), float(before.abs().max())
    if gap != gap or scale != scale:
        return float("inf")
    return gap / scale if gap else 0.0

"""A copy of a model, or of its inputs, on the meta device: shapes without memory or arithmetic."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph.nested import tensors_in


def meta_model(model: nn.Module) -> nn.Module:
    """A deep copy of `model` with every tensor on the meta device; tensors shared in `model` are shared in the copy."""
    memo: dict[int, Any] = {}
    for tensor in _tensors_of(model):
        if id(tensor) not in memo:
            memo[id(tensor)] = _meta(tensor)
    duplicate: nn.Module = copy.deepcopy(model, memo)
    return duplicate


def meta_inputs(inputs: Any) -> Any:
    """A deep copy of nested inputs with every tensor on the meta device."""
    return copy.deepcopy(inputs, {id(tensor): _meta(tensor) for _, tensor in tensors_in(inputs)})


def _tensors_of(model: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers, and tensors kept as plain attributes."""
    for module in model.modules():
        for value in vars(module).values():
            for _, tensor in tensors_in(value):
                yield tensor


def _meta(tensor: Tensor) -> Tensor:
    duplicate = torch.empty_like(tensor, device="meta", requires_grad=False)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(duplicate, requires_grad=tensor.requires_grad)
    return duplicate

"""Recorded calls, run again on other tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph.call import Call, Ref
from growsearch.graph.path import Path


def replay(model: nn.Module, call: Call, value: Tensor) -> Tensor:
    """Run a recorded single-input call on another tensor, in evaluation mode."""
    if call.kind == "module":
        layer = model.get_submodule(call.target)
        if isinstance(layer, nn.PReLU):
            return torch.where(value > 0, value, value * layer.weight.detach().mean().to(value))
        training = layer.training
        try:
            out: Tensor = layer.eval()(value)
        finally:
            layer.train(training)
        return out
    assert call.function is not None
    kwargs = {k: (False if k == "inplace" else v) for k, v in call.kwargs.items()}
    out = call.function(*substitute(call.args, value), **substitute(kwargs, value))
    return out


def replayed(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    """The call itself, of a linear operation: it is its own derivative."""
    return replay(path.model, call, values[0])


def references(value: object) -> list[Ref]:
    """The tensors that stand in a call's arguments."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, dict):
        return [r for v in value.values() for r in references(v)]
    if isinstance(value, list | tuple):
        return [r for v in value for r in references(v)]
    return []


def substitute(value: Any, tensor: Tensor) -> Any:
    """Arguments with `tensor` in the place of every tensor."""
    if isinstance(value, Ref):
        return tensor
    if isinstance(value, dict):
        return {k: substitute(v, tensor) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(substitute(v, tensor) for v in value)
    return value

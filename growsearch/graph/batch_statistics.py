"""Batch normalisation as new channels see it, called as a module or as a function."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph.call import Call

SMALLEST = 1e-12
"""In place of an eps of 0."""


def by_batch(model: nn.Module, call: Call) -> bool:
    """Whether a batch normalisation uses the statistics of the batch."""
    if call.kind == "module":
        layer = model.get_submodule(call.target)
        return bool(layer.training or getattr(layer, "running_mean", None) is None)
    return model.get_submodule(call.scope).training or _argument(call, 1, "running_mean") is None


def slope_at_zero(model: nn.Module, call: Call) -> float:
    """Factor by which a channel that is 0 leaves a batch normalisation: its variance is 0, the running one 1."""
    variance = 0.0 if by_batch(model, call) else 1.0
    return float((variance + epsilon(model, call)) ** -0.5)


def normalised(model: nn.Module, call: Call, value: Tensor) -> Tensor:
    """Virtual channels `[N, channels, ...]` normalised by their own statistics, with scale 1 and shift 0.

    In eval mode too: the running statistics of new channels are set to those of the data (`recalibrate`).
    """
    return F.batch_norm(value, None, None, None, None, True, 0.0, epsilon(model, call))


def epsilon(model: nn.Module, call: Call) -> float:
    """What is added to the variance."""
    if call.kind == "module":
        return max(float(getattr(model.get_submodule(call.target), "eps", 0.0)), SMALLEST)
    value = _argument(call, 7, "eps")
    return max(1e-5 if value is None else float(value), SMALLEST)


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)

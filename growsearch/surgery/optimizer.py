"""Optimizer state that follows a parameter when its shape changes.

One mechanism for all: the state tensors of the parameter's shape are re-indexed as the parameter is, everything else
(step counts, products) is kept. Where a unit is kept, or duplicated for the first time, its state stays bit for bit.
At new positions and further copies, momenta start at 0. Second moments start at the mean of the old slices: from 0,
Adam's first updates of new weights would reach several times the learning rate. Further copies of a unit take that
unit's second moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import (
    SGD,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Muon,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
)

from growsearch.surgery.edits import AxisEdit
from growsearch.surgery.journal import Journal
from growsearch.surgery.moves import Move, moves_of
from growsearch.surgery.reindex import move

SUPPORTED = (SGD, Adam, AdamW, RMSprop, Adagrad, NAdam, RAdam, Adamax, Muon)
MOMENTA = frozenset({"momentum_buffer", "exp_avg", "grad_avg"})
SECOND_MOMENTS = frozenset({"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "exp_inf"})


def optimizers_of(optimizer: Optimizer | Sequence[Optimizer] | None) -> tuple[Optimizer, ...]:
    """None, one or several optimizers as a tuple."""
    if optimizer is None:
        return ()
    return (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)


def supported_optimizer(optimizer: Optimizer) -> str | None:
    """Why the state of `optimizer` cannot follow a growth; None where it can."""
    names = ", ".join(kind.__name__ for kind in SUPPORTED)
    kind = type(optimizer).__name__
    if not isinstance(optimizer, SUPPORTED):
        return f"{kind} keeps state whose layout is not known; supported are {names}"
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim and key not in MOMENTA | SECOND_MOMENTS:
                return f"{kind} keeps an unknown state {key!r} of shape {tuple(value.shape)}; supported are {names}"
            if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                return (
                    f"{kind} keeps {key!r} of shape {tuple(value.shape)} for a parameter of shape "
                    f"{tuple(parameter.shape)}: load the state of this network, or start the optimizer anew"
                )
    return None


def embed_state(state: dict[str, Any], shape: Sequence[int], edits: Sequence[AxisEdit]) -> dict[str, Any]:
    """State of a parameter of old `shape` after `edits`, as a new dict; the old one is not changed."""
    with torch.no_grad():
        steps = moves_of(shape, edits)
        return {key: _embed(key, value, steps) for key, value in state.items()}


def replace_parameter(
    optimizers: Sequence[Optimizer], old: nn.Parameter, new: nn.Parameter, edits: Sequence[AxisEdit], journal: Journal
) -> None:
    """Put `new` where `old` is in the parameter groups, and its state under the new key; the optimizer object stays."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for index, parameter in enumerate(group["params"]):
                if parameter is old:
                    journal.set_item(group["params"], index, new)
        if old in optimizer.state:
            journal.rename_key(optimizer.state, old, new, embed_state(optimizer.state[old], old.shape, edits))


def _embed(key: str, value: Any, steps: Sequence[Move]) -> Any:
    if not isinstance(value, Tensor) or value.ndim == 0:
        return value
    for step in steps:
        value = _embed_axis(value, step, second=key in SECOND_MOMENTS)
    return value


def _embed_axis(value: Tensor, step: Move, second: bool) -> Tensor:
    source = step.source if second else _first_copies(step.source)
    fill: Tensor | float = 0.0
    if second and -1 in source:
        # In float32: the mean of many half-precision numbers would lose its small ones.
        mean = value.to(torch.promote_types(value.dtype, torch.float32)).mean(step.axis, keepdim=True)
        fill = mean.expand([source.count(-1) if axis == step.axis else -1 for axis in range(value.ndim)])
    return move(value, replace(step, source=source, fill=fill, scale=None, shifted=(), shift=None))


def _first_copies(source: Sequence[int]) -> tuple[int, ...]:
    """`source` with every further copy of an old position counted as new."""
    seen: set[int] = set()
    result: list[int] = []
    for old in source:
        result.append(-1 if old in seen else old)
        seen.add(old)
    return tuple(result)

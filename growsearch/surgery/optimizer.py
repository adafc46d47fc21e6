"""Optimizer state that follows a parameter when its shape changes.

One mechanism for all: the state tensors of the parameter's shape are re-indexed as the parameter is, everything else
(step counts, products) is kept. Where a unit is kept, or duplicated for the first time, its state stays bit for bit.
What new positions and further copies get is in the optimizer's record (`growsearch.optimizers.Fill`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import InputError
from growsearch.optimizers import Fill, offered_names, record_of
from growsearch.surgery.edits import AxisEdit
from growsearch.surgery.journal import Journal
from growsearch.surgery.moves import Move, moves_of
from growsearch.surgery.reindex import move


def optimizers_of(optimizer: Optimizer | Sequence[Optimizer] | None) -> tuple[Optimizer, ...]:
    """None, one or several optimizers as a tuple; `InputError` for anything else."""
    if optimizer is None:
        return ()
    several = (optimizer,) if isinstance(optimizer, Optimizer) else optimizer
    if not isinstance(several, Sequence) or not all(isinstance(each, Optimizer) for each in several):
        raise InputError(f"optimizer: {optimizer!r} is not allowed: give a torch.optim.Optimizer, or a list of them")
    return tuple(several)


def fills_of(optimizer: Optimizer) -> Mapping[str, Fill]:
    """Return the state tensors of a parameter's shape by name, with what they have where it is new; none if unknown."""
    record = record_of(optimizer)
    return {} if record is None else record.state


def supported_optimizer(optimizer: Optimizer) -> str | None:
    """Return why the state of `optimizer` cannot follow a growth; None where it can."""
    record, kind = record_of(optimizer), type(optimizer).__name__
    supported = f"supported are {', '.join(offered_names())}"
    if record is None:
        return (
            f"{kind} keeps state whose layout is not known: write a record of it and register that in the entry-point "
            f"group growsearch.optimizers; {supported}"
        )
    if record.refused is not None:
        return f"{kind}: {record.refused}; {supported}"
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if not isinstance(value, Tensor) or value.ndim == 0:
                continue
            if key not in record.state:
                return f"{kind} keeps an unknown state {key!r} of shape {tuple(value.shape)}; {supported}"
            if value.shape != parameter.shape:
                return (
                    f"{kind} keeps {key!r} of shape {tuple(value.shape)} for a parameter of shape "
                    f"{tuple(parameter.shape)}: load the state of this network, or start the optimizer anew"
                )
    return None


def embed_state(
    state: dict[str, Any], shape: Sequence[int], edits: Sequence[AxisEdit], fills: Mapping[str, Fill]
) -> dict[str, Any]:
    """Return the state of a parameter after `edits`, as a new dict; the old one is not changed.

    Args:
        state: of the parameter, by name.
        shape: of the parameter before the edits.
        edits: of its axes.
        fills: what each state tensor has where the parameter is new.
    """
    with torch.no_grad():
        steps = moves_of(shape, edits)
        return {key: _embed(value, steps, fills.get(key)) for key, value in state.items()}


def replace_parameter(
    optimizers: Sequence[Optimizer], old: nn.Parameter, new: nn.Parameter, edits: Sequence[AxisEdit], journal: Journal
) -> None:
    """Put `new` where `old` is in the parameter groups, and its state under the new key; the optimizer object stays.

    Args:
        optimizers: those of the model.
        old: the parameter that goes.
        new: the one that comes.
        edits: that made it.
        journal: what can undo it.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for index, parameter in enumerate(group["params"]):
                if parameter is old:
                    journal.set_item(group["params"], index, new)
        if old in optimizer.state:
            embedded = embed_state(optimizer.state[old], old.shape, edits, fills_of(optimizer))
            journal.rename_key(optimizer.state, old, new, embedded)


def _embed(value: Any, steps: Sequence[Move], fill: Fill | None) -> Any:
    if fill is None or not isinstance(value, Tensor) or value.ndim == 0:
        return value
    for step in steps:
        value = _embed_axis(value, step, mean=fill == "mean")
    return value


def _embed_axis(value: Tensor, step: Move, mean: bool) -> Tensor:
    source = step.source if mean else _first_copies(step.source)
    fill: Tensor | float = 0.0
    if mean and -1 in source:
        # In float32: the mean of many half-precision numbers would lose its small ones.
        average = value.to(torch.promote_types(value.dtype, torch.float32)).mean(step.axis, keepdim=True)
        fill = average.expand([source.count(-1) if axis == step.axis else -1 for axis in range(value.ndim)])
    return move(value, replace(step, source=source, fill=fill, scale=None, shifted=(), shift=None))


def _first_copies(source: Sequence[int]) -> tuple[int, ...]:
    """`source` with every further copy of an old position counted as new."""
    seen: set[int] = set()
    result: list[int] = []
    for old in source:
        result.append(-1 if old in seen else old)
        seen.add(old)
    return tuple(result)

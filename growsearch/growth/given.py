"""What calls from Python are given: whatever nothing could be done with is told before anything is traced."""

from __future__ import annotations

from typing import Any

from torch import nn

from growsearch.arguments import require_iterable, require_whole
from growsearch.errors import InputError


def require_names(**lists: Any) -> None:
    """`InputError` unless each is a sequence of texts, and not one text; None is allowed."""
    for name, value in lists.items():
        if value is None:
            continue
        require_iterable(name, value)
        if isinstance(value, str) or not all(isinstance(each, str) for each in value):
            raise InputError(f"{name}: {value!r} is not allowed: give a list of names, such as ['layer1.*']")


def require_counts(**counts: Any) -> None:
    """`InputError` unless each is a whole number of at least 1; None is allowed."""
    for name, value in counts.items():
        if value is not None:
            require_whole(name, value, 1)


def require_data(objective: Any, batches: Any, companions: Any) -> None:
    """`InputError` unless the objective can be called, batches can be gone through, and companions are modules."""
    if objective is not None and not callable(objective):
        raise InputError(f"objective: {objective!r} is not allowed: give a function (model, batch) -> loss")
    if batches is not None:
        require_iterable("batches", batches)
    require_iterable("companions", companions)
    for companion in companions:
        if not isinstance(companion, nn.Module):
            raise InputError(
                f"companions: a {type(companion).__name__} is no torch.nn.Module: give copies of the model"
            )

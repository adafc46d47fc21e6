"""What calls from Python are given: whatever nothing could be done with is told before anything is traced."""

from __future__ import annotations

from typing import Any

from torch import nn

from growsearch.arguments import require_iterable
from growsearch.errors import InputError


def require_names(name: str, value: Any) -> None:
    """`InputError` unless `value` is a sequence of texts, and not one text; None is allowed."""
    if value is None:
        return
    require_iterable(name, value)
    if isinstance(value, str) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{name}: {value!r} is not allowed: give a list of names, such as ['layer1.*']")


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

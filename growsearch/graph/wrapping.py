"""Modules around a network that share its parameters, and networks that torch has compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from growsearch.graph.compiler import compiler_loaded

_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
}


def wrapper_of(module: nn.Module) -> tuple[str, str] | None:
    """The name of torch's wrapper that a module is, and of the attribute with the inner module; None: it is none."""
    for kind in type(module).__mro__:
        if kind.__name__ in _WRAPPERS and kind.__module__.startswith("torch."):
            return kind.__name__, _WRAPPERS[kind.__name__]
    return None


def wrapper_named(model: nn.Module, name: str) -> nn.Module | None:
    """The wrapper of this name that `model` is, or that other wrappers around it hide; None where there is none."""
    while (found := wrapper_of(model)) is not None:
        if found[0] == name:
            return model
        model = model.get_submodule(found[1])
    return None


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, where `model` is what `torch.compile` made of it."""
    while (found := wrapper_of(model)) is not None and found[0] == "OptimizedModule":
        model = model.get_submodule(found[1])
    return model


@contextmanager
def eagerly() -> Iterator[None]:
    """Inside, compiled modules and functions run as they were written: every call of a module is seen."""
    if not compiler_loaded():
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def drop_compiled() -> None:
    """Forget all that this process has compiled; what is called next is compiled again.

    Torch compiles a function for a few sizes of a network only, eight by default, and runs it uncompiled from then on.
    """
    if compiler_loaded():
        torch.compiler.reset()

"""Torch's compiler, which takes longer to import than torch itself, and is not needed where nothing is compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_MARK = "__dynamo_disable"
"""Where torch keeps, at a function that is hidden from its compiler, what it calls in the function's place."""


def compiler_loaded() -> bool:
    """Whether this process has imported torch's compiler; without it nothing was compiled."""
    return "torch._dynamo" in sys.modules


def spare_compiler(hidden: Callable[..., Any]) -> None:
    """Let a function that torch hides from its compiler run without importing the compiler.

    Methods of optimizers and of dispatch modes are hidden so, and the first call of one imports the compiler to say
    so. As long as nothing else has imported it, there is nothing to hide from; from then on torch's own way is taken.
    """
    function = getattr(hidden, "__wrapped__", None)
    if function is None or hasattr(function, _MARK):
        return

    def call(*args: Any, **kwargs: Any) -> Any:
        if not compiler_loaded():
            return function(*args, **kwargs)
        vars(function).pop(_MARK, None)
        return hidden(*args, **kwargs)

    setattr(function, _MARK, call)

"""The registry of rules: one per operation, for leaf modules by class and for functions by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from growsearch.graph.call import Call
from growsearch.graph.rules.step import Step, Value

Apply = Callable[[Step], list[Value]]


@dataclass(frozen=True)
class Rule:
    """`apply` says how spaces pass through a call; it raises `Unsupported` where it cannot tell."""

    name: str
    apply: Apply


_MODULES: dict[type[nn.Module], Rule] = {}
_FUNCTIONS: dict[str, Rule] = {}


def rule(
    name: str, *, modules: tuple[type[nn.Module], ...] = (), functions: str | tuple[str, ...] = ()
) -> Callable[[Apply], Apply]:
    """Register a rule for module classes (and their subclasses) and for functions (names, or one string of names)."""

    def register(apply: Apply) -> Apply:
        entry = Rule(name, apply)
        for kind in modules:
            _MODULES[kind] = entry
        for function in functions.split() if isinstance(functions, str) else functions:
            _FUNCTIONS[function] = entry
        return apply

    return register


def find_rule(call: Call, module: nn.Module | None) -> Rule | None:
    """The rule of a call: for a module that of its nearest base class, for a function that of its name."""
    if module is None:
        return _FUNCTIONS.get(call.target)
    return next((_MODULES[kind] for kind in type(module).__mro__ if kind in _MODULES), None)

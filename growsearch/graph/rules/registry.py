"""The registry of operations: all that is known of one, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from torch import nn

from growsearch.errors import InputError
from growsearch.graph.call import Call
from growsearch.graph.leaves import count_as_leaf
from growsearch.graph.own_norms import own_rms_norm
from growsearch.graph.path import PathStep
from growsearch.graph.rules.step import Step, Value
from growsearch.registry import lookup, names

Joins = Callable[[Step], list[Value]]


@dataclass(frozen=True)
class Operation:
    """What growing knows of an operation.

    `linearise` is its derivative where units are 0, `respond` what it does to units of any size (None: the same);
    without `linearise`, units cannot be followed through it by GradMax and its like. `scalar` tells that the
    derivative is one number for each channel, `per_unit` that each unit is computed from itself alone. `drawn_as`
    "label" puts it into the box of the operation before it.
    """

    name: str
    linearise: PathStep | None = None
    respond: PathStep | None = None
    scalar: bool = False
    per_unit: bool = False
    drawn_as: Literal["box", "label"] = "box"


_OPERATIONS: dict[str, Operation] = {"parameter": Operation("parameter", per_unit=True)}
_BUILT_IN: set[str] = set()
_MODULES: dict[type[nn.Module], tuple[str, Joins]] = {}
_FUNCTIONS: dict[str, tuple[str, Joins]] = {}


def rule(
    name: str,
    *,
    modules: tuple[type[nn.Module], ...] = (),
    functions: str | tuple[str, ...] = (),
    linearise: PathStep | None = None,
    respond: PathStep | None = None,
    scalar: bool = False,
    per_unit: bool = False,
    drawn_as: Literal["box", "label"] = "box",
) -> Callable[[Joins], Joins]:
    """Register an operation, decorating the function that says how channel spaces pass through a call of it.

    That function raises `Unsupported` where it cannot tell: what the call touches is frozen then. Another function or
    module class joins an operation that is known by giving its name alone.

    Args:
        name: of the operation, as graphs and reasons show it.
        modules: classes whose calls (and their subclasses') are this operation; they become one call of the graph.
        functions: names as torch's overrides see them (`torch.Tensor.add` is "add"), or one string of names.
        linearise: its derivative where new units are 0.
        respond: what it does to units of any size; None: the derivative is all there is.
        scalar: whether the derivative is one number for each channel.
        per_unit: whether each unit is computed from itself alone.
        drawn_as: "box", or "label" in the box of the operation before it.

    Raises:
        InputError: a built-in operation has that name, and other properties. One from outside is replaced, as in a
            notebook's cell that runs again.
    """
    given = Operation(name, linearise, respond, scalar, per_unit, drawn_as)
    bare, known = Operation(name), _OPERATIONS.get(name)
    if known in (None, bare) or (given != bare and name not in _BUILT_IN):
        _OPERATIONS[name] = given
    elif given not in (bare, known):
        raise InputError(f"operation {name!r} is known already, with other properties: choose another name")

    def register(joins: Joins) -> Joins:
        for kind in modules:
            count_as_leaf(kind)
            _MODULES[kind] = (name, joins)
        for function in functions.split() if isinstance(functions, str) else functions:
            _FUNCTIONS[function] = (name, joins)
        return joins

    return register


def keep_built_in() -> None:
    """Let what is registered by now be what nobody may redefine."""
    _BUILT_IN.update(_OPERATIONS)


@cache
def load_operations() -> None:
    """Load what installed packages register in the group `growsearch.operations`: modules that call `rule`."""
    for name in names("operations"):
        lookup("operations", name)


def operation(name: str | None) -> Operation:
    """The record of an operation by its name (`Call.rule`); one of which nothing is known where there is none."""
    return _OPERATIONS.get(name or "", Operation(name or ""))


def find_rule(call: Call, module: nn.Module | None) -> tuple[str, Joins] | None:
    """The operation of a call and its rule: for a module that of its nearest base class, for a function by name."""
    if module is None:
        return _FUNCTIONS.get(call.target)
    kinds = (nn.RMSNorm,) if own_rms_norm(module) is not None else type(module).__mro__
    return next((_MODULES[kind] for kind in kinds if kind in _MODULES), None)

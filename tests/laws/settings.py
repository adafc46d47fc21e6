"""Cheap parameters for any installed strategy, found by its fields."""

from __future__ import annotations

from typing import Any

from growsearch.growth import Strategy
from growsearch.registry import lookup, names

CHEAP: dict[str, Any] = {
    "steps": 2,
    "every": 2,
    "first": 2,
    "count": 2,
    "patience": 1,
    "data": 3,
    "samples": 1,
    "reports": 3,
    "lag": 2,
}


def strategy_class(group: str, name: str) -> type[Strategy]:
    found = lookup(group, name)
    assert issubclass(found, Strategy)
    return found


def cheap(group: str, name: str, **given: Any) -> dict[str, dict[str, Any]]:
    """`{name: parameters}` with small numbers of steps, and a value for every parameter that has no default."""
    fields = strategy_class(group, name).model_fields
    parameters = {field: value for field, value in {**CHEAP, **given}.items() if field in fields}
    for field, info in fields.items():
        if "tuple" in str(info.annotation) and (field in parameters or info.is_required()):
            parameters[field] = (0.25, 0.5) if "float" in str(info.annotation) else (2, 4)
        elif info.is_required() and field not in parameters:
            parameters[field] = 1
    return {name: parameters}


def hows() -> list[str]:
    """Initializers of units and of layers; those of blocks need a chain of them, see `tests/growth/test_blocks.py`."""
    return [how for how in names("how") if not strategy_class("how", how).stacks()]  # type: ignore[attr-defined]


def grows_depth(how: str) -> bool:
    return bool(strategy_class("how", how).deepens())  # type: ignore[attr-defined]  # initializers have it


def is_exact(how: str) -> bool:
    """Whether an initializer promises to leave the network's function as it is."""
    return bool(strategy_class("how", how).exact)  # type: ignore[attr-defined]  # initializers have it

"""Functions that torch hides from its compiler run without it, until it is loaded."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from growsearch.graph.compiler import spare_compiler


def hidden_by_torch(function: Callable[[int], int], loads: list[str]) -> Callable[[int], int]:
    """As `torch._compile._disable_dynamo` does it."""

    @functools.wraps(function)
    def inner(value: int) -> int:
        instead = getattr(function, "__dynamo_disable", None)
        if instead is None:
            loads.append("compiler")
            instead = function
            setattr(function, "__dynamo_disable", instead)
        return instead(value)

    return inner


def test_the_compiler_is_loaded_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    loads: list[str] = []
    hidden = hidden_by_torch(lambda value: value + 1, loads)
    spare_compiler(hidden)
    assert (hidden(1), loads) == (2, [])
    monkeypatch.setitem(sys.modules, "torch._dynamo", SimpleNamespace())
    assert (hidden(2), loads) == (3, ["compiler"])
    assert (hidden(3), loads) == (4, ["compiler"])


def test_without_sparing_the_first_call_loads_it() -> None:
    loads: list[str] = []
    assert hidden_by_torch(lambda value: value + 1, loads)(1) == 2
    assert loads == ["compiler"]

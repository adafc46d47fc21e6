"""Files as people get them wrong: shipped ones with something taken away, put in, moved or of another type."""

from __future__ import annotations

import copy
import datetime
import random
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7,
    2.5,
    float("nan"),
    float("inf"),
    10**30,
    "",
    "seven",
    "ä\n",
    "os:system",
    datetime.date(2024, 1, 1),
    [],
    [1],
    [[1, 2], {}],
    [None, "x"],
    {},
    {"x": 1},
    {1: 2},
    {None: None},
    {"type": [1], "low": 1, "high": 2},
    {"type": {"a": 1}, "values": [1]},
    {"type": "int", "low": 1, "high": 5},
    {"type": "float", "low": "a", "high": 2},
    {"type": "int", "low": 5, "high": 1},
    {"type": "choice", "values": 3},
    {"type": "choice", "values": [[], {}]},
    {"type": "choice", "options": {"zero": {"x": [1]}, "random": None}},
    {"type": "choice", "options": {1: {}}},
    {"type": "choice", "options": [1]},
    {"low": 1, "high": {}},
    {"name": {"type": "choice", "values": ["mlp", ["x"]]}},
    {"name": ["mlp"]},
    {"name": 3},
    {"interval": None},
    {"interval": [1]},
    {"interval": {"every": {"type": "int", "low": 1, "high": 3}}},
)
KEYS: tuple[Any, ...] = ("", "name", "type", "low", "values", "options", "policies", "how", "nonsense", 3, None, True)


def mutated(tree: dict[str, Any], drawn: random.Random) -> Any:
    """A copy with one to three changes at random places."""
    found: Any = copy.deepcopy(tree)
    for _ in range(drawn.randint(1, 3)):
        found = _changed(found, drawn)
    return found


def _changed(tree: Any, drawn: random.Random) -> Any:
    places = list(_places(tree))
    if not places:
        return copy.deepcopy(drawn.choice(VALUES))
    parent, key = drawn.choice(places)
    match drawn.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[drawn.choice(KEYS)] = parent.pop(key)
        case 2:
            other, there = drawn.choice(places)
            parent[key] = copy.deepcopy(other[there])
        case 3 if isinstance(parent, dict):
            parent[drawn.choice(KEYS)] = copy.deepcopy(drawn.choice(VALUES))
        case _:
            parent[key] = copy.deepcopy(drawn.choice(VALUES))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)

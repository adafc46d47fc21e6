"""Strategies, networks and data sets by name, found through entry points."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from growsearch.errors import InputError

GROUPS = ("when", "where", "how", "networks", "data")


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"growsearch.{group}")}


def names(group: str) -> list[str]:
    """Names of everything installed in one of `GROUPS`, sorted."""
    return sorted(_installed(group))


def lookup(group: str, name: str) -> type:
    """The class registered as `name` in `group`; `InputError` names the nearest one when there is none."""
    point = _installed(group).get(name)
    if point is None:
        raise InputError(f"unknown {group} {name!r}: allowed are {', '.join(names(group))}{nearest(name, names(group))}")
    loaded: type = point.load()
    return loaded


def nearest(name: str, allowed: list[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no allowed name is close."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""

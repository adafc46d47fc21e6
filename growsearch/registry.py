"""Strategies, networks, data sets, tasks and optimizers by name, found through entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from growsearch.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUPS = ("when", "where", "how", "soft", "networks", "data", "tasks", "optimizers", "loggers", "operations")
STRATEGY_GROUPS = ("when", "where", "how", "soft")
NOUNS = {
    "when": "scheduler (when)",
    "where": "selector (where)",
    "how": "initializer (how)",
    "soft": "differentiable size (soft)",
    "networks": "network",
    "data": "data set",
    "tasks": "task",
    "optimizers": "optimizer",
    "loggers": "logger",
    "operations": "operation",
}


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in _every() if point.group == f"growsearch.{group}"}


@cache
def _every() -> tuple[EntryPoint, ...]:
    """Those of all `GROUPS`: to ask for one group reads the files of all packages too."""
    from importlib.metadata import entry_points  # a tenth of the time in which `--help` is there

    found = entry_points()
    return tuple(point for group in GROUPS for point in found.select(group=f"growsearch.{group}"))


def refresh() -> None:
    """Look again for what is installed, as after an installation in a running notebook."""
    _every.cache_clear()
    _installed.cache_clear()


def names(group: str) -> list[str]:
    """Names of everything installed in one of `GROUPS`, sorted."""
    return sorted(_installed(group))


def registered(group: str, name: str) -> str:
    """The import path, `package.module:Class`, behind a name that is installed."""
    return _installed(group)[name].value


def lookup(group: str, name: str) -> type:
    """The class registered as `name` in `group`.

    Raises `InputError` with the allowed names and the nearest one where there is none, and where the package that
    registered it cannot be imported.
    """
    point = _installed(group).get(name)
    if point is None:
        allowed = names(group)
        raise InputError(f"unknown {NOUNS[group]} {name!r}: allowed are {', '.join(allowed)}{nearest(name, allowed)}")
    try:
        loaded: type = point.load()
    except (ImportError, AttributeError) as error:
        found = f"{NOUNS[group]} {name!r} is registered as {point.value}, but: {error}"
        raise InputError(
            f"{found}; install {point.dist.name if point.dist else 'its package'} again, or uninstall it"
        ) from error
    return loaded


def closest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that is most like `name`, or None where none is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return close[0] if close else None


def nearest(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no allowed name is close."""
    close = closest(name, allowed)
    return f" (did you mean {close!r}?)" if close else ""

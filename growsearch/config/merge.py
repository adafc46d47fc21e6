"""Policies merged into a file."""

from __future__ import annotations

from typing import Any

from growsearch.config.ranges import is_range
from growsearch.yaml_source import KeyPath

REPLACED = {("growth", part) for part in ("when", "where", "how", "soft", "budget")}
EVENTS = ("when", "where", "how", "budget", "amount", "round_to", "limits", "new_units")
REPLACED_WHEN_NAMED = {("data",), ("network",), ("training", "optimizer"), ("training", "schedule")}


def merge(base: Any, override: Any, path: KeyPath = ()) -> Any:
    """The file with one policy's overrides, merged key by key.

    What names something (a strategy, network, data set, optimizer or schedule) replaces the file's whole, as do a
    budget, a range, a list and a plain value; null takes the file's value away. A policy with `soft` sizes takes away
    what the file says about growth in events, and one that says when to grow the file's `soft`.
    """
    if not isinstance(base, dict) or not isinstance(override, dict) or _replaces(override, path) or is_range(base):
        return override
    if path == ("growth",):
        base = _of_one_kind(base, override)
    return {**base, **{key: merge(base.get(key), value, (*path, key)) for key, value in override.items()}}


def _replaces(override: dict[str, Any], path: KeyPath) -> bool:
    named = path in REPLACED_WHEN_NAMED and bool({"name", "layers"} & set(override))
    return named or path in REPLACED or is_range(override)


def _of_one_kind(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """The file's growth without what belongs to the kind of growth that the policy does not want."""
    unwanted = EVENTS if override.get("soft") is not None else ("soft",) if override.get("when") is not None else ()
    return {key: value for key, value in base.items() if key not in unwanted}


def origin(base: Any, override: Any, policy: str, path: KeyPath) -> KeyPath:
    """Where a path of the merged file stands in the file: among the policy's overrides, or in the file's own part.

    Args:
        base: the file without its policies.
        override: the policy's part.
        policy: its name.
        path: in the merged file.
    """
    in_base, in_override = _depth(base, path), _depth(override, path)
    return path if in_base > in_override or not in_override else ("policies", policy, *path)


def _depth(tree: Any, path: KeyPath) -> int:
    """How many keys of the path the tree has."""
    for depth, key in enumerate(path):
        inside = (isinstance(tree, dict) and key in tree) or (
            isinstance(tree, list) and isinstance(key, int) and key < len(tree)
        )
        if not inside:
            return depth
        tree = tree[key]
    return len(path)

"""`--set path.in.file=value`: overrides of a file from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from growsearch.errors import ConfigError
from growsearch.yaml_source import Key, KeyPath, Source, parse_value


@dataclass(frozen=True)
class Overridden:
    """A file with overrides: the values, and for each path whether it stands in the file or came from outside."""

    source: Source
    data: dict[str, Any]
    overrides: dict[KeyPath, str]

    def where(self, path: KeyPath) -> str:
        """`FILE:LINE:COL` of a path, or the override that set it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.overrides:
                return self.overrides[path[:length]]
        for key, label in self.overrides.items():
            if key[: len(path)] == path and not _is_in(self.source.data, path):
                return label
        line, column = self.source.mark(path)
        return f"{self.source.name}:{line}:{column}"


def _is_in(tree: Any, path: KeyPath) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return isinstance(tree, list)  # whose entries an override cannot add
        tree = tree[key]
    return True


def apply_overrides(source: Source, overrides: Sequence[str]) -> Overridden:
    """The file with all overrides set; `ConfigError` lists those that cannot be."""
    data: Any = source.data
    labels: dict[KeyPath, str] = {}
    problems = []
    for text in overrides:
        label = f"--set {text}"
        try:
            path, value = _parse(text, label)
            data = _set(data, path, value, label)
            labels[path] = label
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return Overridden(source, data, labels)


def _parse(text: str, label: str) -> tuple[KeyPath, Any]:
    left, equals, right = text.partition("=")
    keys = left.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"{label}: not an override (allowed: path.in.file=value, such as training.epochs=5)")
    return tuple(keys), parse_value(right, label)


def _set(tree: Any, path: KeyPath, value: Any, label: str) -> Any:
    if not path:
        return value
    key: Key = path[0]
    if isinstance(tree, list):
        if not str(key).isdigit() or int(key) >= len(tree):
            raise ConfigError(f"{label}: {key!r} is no place in a list of {len(tree)} (allowed 0 to {len(tree) - 1})")
        copy: Any = list(tree)
        key = int(key)
        copy[key] = _set(tree[key], path[1:], value, label)
        return copy
    if tree is not None and not isinstance(tree, dict):
        raise ConfigError(f"{label}: {key!r} cannot be set inside the value {tree!r}: set the whole value instead")
    return {**(tree or {}), key: _set((tree or {}).get(key), path[1:], value, label)}

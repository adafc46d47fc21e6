"""In what two run folders, or two files, differ: their configurations and what they were run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from growsearch.errors import InputError
from growsearch.runs.layout import CONFIG, ENVIRONMENT
from growsearch.runs.reading import read_json, read_yaml

MISSING = "not there"
_OWN = ("command",)  # of an environment: differs always, and says nothing


@dataclass(frozen=True)
class Difference:
    """A value that differs: its `path` in dotted form, and what stands there, `MISSING` where nothing does."""

    path: str
    left: Any
    right: Any


def configuration_differences(left: Path, right: Path) -> list[Difference]:
    """Return in what two configurations differ, in the order of the files: run folders, or YAML files.

    Raises `InputError` where one is neither.
    """
    return differences(read_yaml(_configuration(left)), read_yaml(_configuration(right)))


def environment_differences(left: Path, right: Path) -> list[Difference]:
    """Return in what machines, versions, threads and commits differ; nothing where one is no run folder."""
    paths = [folder / ENVIRONMENT for folder in (left, right)]
    if not all(path.is_file() for path in paths):
        return []
    found = [{key: value for key, value in read_json(path).items() if key not in _OWN} for path in paths]
    return differences(*found)


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """Return the values that differ between two mappings; lists are compared whole."""
    ours, theirs = dict(_leaves(left)), dict(_leaves(right))
    return [
        Difference(path, ours.get(path, MISSING), theirs.get(path, MISSING))
        for path in [*ours, *(path for path in theirs if path not in ours)]
        if path not in ours or path not in theirs or ours[path] != theirs[path]
    ]


def _leaves(plain: Mapping[str, Any], above: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield ".".join(path), value


def _configuration(path: Path) -> Path:
    if path.is_dir() and (path / CONFIG).is_file():
        return path / CONFIG
    if path.is_file():
        return path
    raise InputError(f"{path}: is neither a run folder (no {CONFIG} in it) nor a file")

"""From a file's `data` mapping to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growsearch.data.dataset import DataSet, DataSource
from growsearch.data.outline import Outline
from growsearch.errors import InputError
from growsearch.networks.parameters import make
from growsearch.registry import lookup


def load_data(spec: Mapping[str, Any], seed: int, allow_import: bool = False) -> DataSet:
    """The data set that `spec`, `{"name": NAME, **parameters}`, describes. Raises `InputError` and `DataError`.

    One that is made by code of the user's is refused without `allow_import`.
    """
    return _allowed(spec, allow_import).load(seed)


def outline_data(spec: Mapping[str, Any], allow_import: bool = False) -> Outline:
    """What `spec` describes as far as it can be checked before a run. Raises `InputError` and `DataError`.

    One that is made by code of the user's is refused without `allow_import`.
    """
    return _allowed(spec, allow_import).outline()


def validate_data(spec: Mapping[str, Any]) -> None:
    """Raise `InputError`, one problem a line, unless `spec` is well formed; looks at no file."""
    _source(spec)


def _allowed(spec: Mapping[str, Any], allow_import: bool) -> DataSource:
    source = _source(spec)
    if source.imports and not allow_import:
        raise InputError(f"data {spec['name']!r} runs code from your Python path: pass --allow-import to allow that")
    return source


def _source(spec: Mapping[str, Any]) -> DataSource:
    values = dict(spec)
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"data: needs a name, found {dict(spec)!r}")
    source: DataSource = make(lookup("data", name), values, f"data {name!r}")
    return source

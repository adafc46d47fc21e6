"""Files read strictly: a record has the right fields of the right types, or one message names the file and the line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from growsearch.errors import InputError
from growsearch.pydantic_words import refusal

Record = TypeVar("Record")


class DamagedFile(InputError):
    """A file that growsearch wrote does not hold what was written: it is cut off, or was changed."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises `DamagedFile` where it holds none, `InputError` where it is missing."""
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    return parse_json(text, str(path))


def parse_json(text: bytes | str, where: str) -> dict[str, Any]:
    """Return the JSON object that a text is; `where`, the file and perhaps the line, begins the message if it is none.

    Raises:
        DamagedFile: it is no JSON, or no object.
    """
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise DamagedFile(f"{where}: is damaged: not JSON ({_first_line(error)})") from error
    if not isinstance(plain, dict):
        raise DamagedFile(f"{where}: is damaged: found {type(plain).__name__}, expected an object")
    return plain


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file that growsearch wrote; raises `DamagedFile` where it holds none.

    Raises:
        InputError: the file is missing.
    """
    try:
        plain = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = str(path) if mark is None else f"{path}, line {mark.line + 1}"
        raise DamagedFile(
            f"{where}: is damaged: not valid YAML ({getattr(error, 'problem', None) or 'no text'})"
        ) from error
    if not isinstance(plain, dict):
        raise DamagedFile(f"{path}: is damaged: found {type(plain).__name__}, expected a mapping")
    return plain


def record_of(kind: type[Record], plain: Mapping[str, Any], where: str) -> Record:
    """Return the record of a dataclass that `plain`, JSON as it was read, stands for.

    Types are not converted, but for what JSON has no word for: whole numbers as floats, lists as tuples. Fields that
    have a default may be missing: older versions did not write them. Fields that are not known are passed over: newer
    versions may write them. `where` begins the message.

    Raises:
        DamagedFile: a field is missing, or of another type.
    """
    try:
        record: Record = _adapter(kind).validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        named = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {refusal(one).line(one['input'])}" for one in found[:3]]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise DamagedFile(f"{where}: is damaged: {'; '.join(named)}{more}") from error
    return record


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

"""JSON and files that are replaced whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from growsearch.writing import writing


def to_json(value: object, indent: int | None = None) -> str:
    """Strict JSON: NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def write_json(path: Path, content: object) -> None:
    """Replace a JSON file atomically."""
    text = to_json(content, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file by what `write` puts into it: whole or not at all, also when the machine stops in the middle."""
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        try:
            with partial.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except Exception:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a file that the user names: replaced whole or not at all, but for what is no file, such as a pipe."""
    if not path.exists() or path.is_file():
        write_atomically(path, lambda file: file.write(text.encode()))
        return
    with writing(path):
        path.write_text(text, encoding="utf-8")

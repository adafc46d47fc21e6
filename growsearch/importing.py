"""A user's own code by its import path."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from growsearch.errors import InputError


def imported(path: str, owner: str, allow_import: bool) -> Any:
    """What `package.module:name` is; importing runs code, and is done with `allow_import` only.

    What Python's path has comes first, then what lies in the current folder.

    Raises `InputError`, which begins with `owner`, where it must not or cannot be imported.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise InputError(f"{owner} is no import path: write package.module:name")
    if not allow_import:
        raise InputError(f"{owner} runs code from your Python path or this folder: pass --allow-import to allow that")
    if os.getcwd() not in sys.path:  # where an installed command does not look, unlike `python -m`
        sys.path.append(os.getcwd())
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{owner} cannot be imported: {error}") from error

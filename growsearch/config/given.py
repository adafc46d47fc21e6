"""A search space as calls from Python take it: a file, the name of a shipped one, or plain data."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from growsearch.errors import ConfigError, InputError

Given = str | Path | Mapping[str, Any]


@contextmanager
def as_file(space: Given) -> Generator[str | Path]:
    """A file, or the name of one, for what was given; that of a mapping is there while inside.

    A `ConfigError` inside says that the mapping is wrong, and not that file. Raises one for a mapping of other values
    than a file can hold, and an `InputError` for anything else than these.
    """
    if not isinstance(space, Mapping):
        if not isinstance(space, str | Path):
            raise InputError(f"{space!r} is no search space: give a file, the name of a shipped one, or a mapping")
        yield space
        return
    try:
        text = yaml.safe_dump(dict(space), sort_keys=False)
    except yaml.representer.RepresenterError as error:
        found = f"found {error.args[-1]!r}; allowed numbers, text, true, false, null, lists and mappings"
        raise ConfigError(f"the mapping holds what no file can ({found})") from error
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "space.yaml"
        path.write_text(text)
        try:
            yield path
        except ConfigError as error:  # nobody knows that file, nor its lines
            raise ConfigError(re.sub(rf"{re.escape(str(path))}(:\d+:\d+)?", "the mapping", str(error))) from error

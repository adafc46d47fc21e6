"""A search space as calls from Python take it: a file, the name of a shipped one, or plain data."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

Given = str | Path | Mapping[str, Any]


@contextmanager
def as_file(space: Given) -> Generator[str | Path]:
    """A file, or the name of one, for what was given; that of a mapping is there while inside."""
    if not isinstance(space, Mapping):
        yield space
        return
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "space.yaml"
        path.write_text(yaml.safe_dump(dict(space), sort_keys=False))
        yield path

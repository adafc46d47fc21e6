"""Rows of JSON, one a line, that survive a kill: what a checkpoint does not know is cut off on resume."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from growsearch.runs.files import to_json
from growsearch.runs.reading import DamagedFile, parse_json
from growsearch.writing import writing


class LineLog:
    """A file of JSON lines, written through to the system line by line.

    `size` is its length in bytes; opening with the size of a checkpoint drops every later line.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        found = path.stat().st_size if path.exists() else 0
        if found < size:
            raise DamagedFile(f"{path}: is damaged: it has {found} bytes, its checkpoint knows of {size}")
        self._path = path
        with writing(path), ExitStack() as stack:
            self._file = stack.enter_context(path.open("ab", buffering=0))
            self._file.truncate(size)
            stack.pop_all()
        self.size = size

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row, whole or not at all; numbers that JSON cannot hold become null."""
        line = (to_json(row) + "\n").encode()
        with writing(self._path):
            written = self._file.write(line)
            if written < len(line):  # a disk that is full takes a part
                self._file.truncate(self.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(line)

    def sync(self) -> None:
        """Force what was written to the disk, before a checkpoint counts on it."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def open_logs(folder: Path, names: Sequence[str], sizes: Mapping[str, int]) -> dict[str, LineLog]:
    """Return logs by name, cut off at the sizes that a checkpoint knows, others at 0; all of them or none is open."""
    with ExitStack() as stack:
        opened = {}
        for name in names:
            opened[name] = LineLog(folder / name, sizes.get(name, 0))
            stack.callback(opened[name].close)
        stack.pop_all()
    return opened


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file written by `LineLog`; empty where there is none.

    A last line cut off by a kill is left out; `DamagedFile` names any other that is no JSON.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [parse_json(line, line_of(path, n)) for n, line in enumerate(lines, 1) if line.endswith(b"\n")]


def line_of(path: Path, number: int) -> str:
    """Return a line of a file in words, for messages."""
    return f"{path}, line {number}"

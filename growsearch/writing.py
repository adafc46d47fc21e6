"""What keeps from writing, as one error that names the file or folder and says what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from growsearch.errors import CannotWrite, GrowsearchError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 1 << 14  # bytes


def make_folder(path: Path) -> None:
    """Make a folder, with those around it, where there is none; raises `CannotWrite`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(path: Path) -> Generator[None]:
    """While inside, what keeps from writing is a `CannotWrite`, whose message names the file or folder `path`.

    Libraries may hide the system's own error: on a full disk every error counts.
    """
    try:
        yield
    except GrowsearchError:
        raise
    except Exception as error:
        if (found := _system_error(error)) is not None or is_full(error, path):
            raise cannot_write(path, found or error) from error
        raise


@contextmanager
def on_a_full_disk(path: Path) -> Generator[None]:
    """While inside, an error on a full disk is a `CannotWrite` that names `path`; others are left as they are."""
    try:
        yield
    except GrowsearchError:
        raise
    except Exception as error:
        if is_full(error, path):
            raise cannot_write(path, error) from error
        raise


def cannot_write(path: Path, error: Exception) -> CannotWrite:
    """Return the error that says that `path` cannot be written, and what to do."""
    if isinstance(error, CannotWrite):
        return error
    reason = getattr(error, "strerror", None) or error
    said = f"{path}: cannot be written: {reason}: choose another place, or make it writable"
    if is_full(error, path):
        said = f"{path}: cannot be written: the disk is full: make room, then run the same again"
    found = CannotWrite(said)
    found.errno = getattr(error, "errno", None)
    return found


def is_full(error: Exception, path: Path) -> bool:
    """Return whether an error came from a full disk."""
    found = _system_error(error)
    if found is not None and found.errno is not None:
        return found.errno in _FULL
    there = next((one for one in (path, *path.absolute().parents) if one.exists()), None)
    return there is not None and shutil.disk_usage(there).free < _LITTLE


def _system_error(error: BaseException | None) -> OSError | None:
    """What the system said: libraries raise errors of their own on the way."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None

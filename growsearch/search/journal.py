"""A study in a journal file, which many processes may append to, and locks that the system takes back."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from growsearch.errors import InputError
from growsearch.writing import writing

try:
    from fcntl import LOCK_EX, flock
except ImportError:  # not a POSIX system: there Optuna's lock is used, which waits half a minute for a dead process
    flock = None  # type: ignore[assignment]


KINDS = "the path of a journal file, postgresql://USER@HOST:PORT/DATABASE, grpc://HOST:PORT"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def open_journal(path: str) -> JournalStorage:
    """The storage in a journal file, made where there is none; `InputError` where it cannot be opened."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise InputError(f"storage {path}: there is no folder {folder} (allowed: {KINDS})")
    try:
        _require_lines(Path(path))
        return JournalStorage(_Journal(path, _JournalLock(path)))
    except OSError as error:
        raise InputError(f"storage {path}: cannot be opened: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise InputError(f"storage {path}: it is no journal of a study (allowed: one, or a new file)") from error


def _require_lines(path: Path) -> None:
    """`ValueError` where the last whole line is no entry: Optuna reads past it, and writes behind it."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    if lines and not isinstance(json.loads(lines[-1]), dict):
        raise ValueError


class _Journal(JournalFileBackend):
    """A journal that says which file it is where it cannot be written."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """See `BaseJournalBackend.append_logs`."""
        with writing(Path(self._file_path)):
            super().append_logs(logs)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Only one process at a time is inside, of those that use the same path."""
    lock = _Lock(str(path))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Lock(JournalFileOpenLock):
    """A lock beside a file, which the system takes back when its process dies."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Wait until the lock is free, and take it."""
        if flock is None:
            return super().acquire()
        file = os.open(self._path + ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            flock(file, LOCK_EX)
        except OSError as error:
            os.close(file)
            if error.errno in _NO_LOCKS:
                raise InputError(
                    f"{self._path}: its file system has no locks, so workers cannot share it: put the run folder on "
                    "one that has (NFS 4, Lustre mounted with flock, a local disk)"
                ) from error
            raise
        except BaseException:
            os.close(file)
            raise
        self._held = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        if flock is None:
            super().release()
            return
        file, self._held = self._held, None
        if file is not None:
            os.close(file)


class _JournalLock(_Lock):
    """A journal's lock; whoever gets it cuts off an unfinished last line: its writer died, or the disk was full.

    Optuna reads past such a line at the end of a journal but not in the middle, so it goes before the next is written.
    """

    def acquire(self) -> bool:
        """See `_Lock.acquire`."""
        super().acquire()
        try:
            _cut_unfinished_line(self._path)
        except BaseException:
            self.release()
            raise
        return True


def _cut_unfinished_line(path: str) -> None:
    with open(path, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

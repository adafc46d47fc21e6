"""One command at a time in a folder: a second one is told who holds it."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from growsearch.errors import InputError
from growsearch.runs.layout import LOCK
from growsearch.runs.reading import DamagedFile, parse_json, record_of
from growsearch.writing import writing

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # not a POSIX system: there what the file says has to do
    flock = None  # type: ignore[assignment]

_PAUSE = 0.05  # seconds between two attempts
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """Who holds a folder."""

    process: int
    host: str
    since: str
    command: str

    @staticmethod
    def this_process() -> Holder:
        """Return the holder that this process is."""
        return Holder(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), " ".join(sys.argv)[:200])

    @property
    def may_live(self) -> bool:
        """Whether the process may still be there; of another machine that is not known."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.process != os.getpid()  # a process of before had our number


@contextmanager
def held(folder: Path, patience: float = 0.0) -> Generator[None]:
    """Hold a folder, which is made where there is none, while inside.

    The system takes the lock back when the process dies, however it does. Raises `InputError`, which names the process
    and its host, where another one holds the folder, and does so for longer than `patience` in seconds.
    """
    path = folder / LOCK
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _taken(path, time.monotonic() + patience)
    try:
        with writing(path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(Holder.this_process())).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def holder_of(folder: Path) -> Holder | None:
    """Return who holds a folder, by what its file says; None where nobody does.

    It does not try the lock: who does is in the way of others for that moment.
    """
    try:
        holder = record_of(Holder, parse_json((folder / LOCK).read_bytes(), LOCK), LOCK)
    except (OSError, DamagedFile):
        return None
    return holder if holder.process == os.getpid() or holder.may_live else None


def _taken(path: Path, until: float) -> int:
    """The descriptor of the file, locked; tried until a time of `time.monotonic`."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _lock(descriptor):
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), path.stat()):
                        return descriptor  # and not of a file that its holder was just removing
            elif time.monotonic() >= until:
                raise InputError(_refusal(path, _holder(descriptor)))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(_PAUSE)


def _lock(descriptor: int) -> bool:
    """Take the lock if it is free; where the file system has no locks, go by what the file says."""
    if flock is not None:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        else:
            return True
    holder = _holder(descriptor)
    return holder is None or not holder.may_live


def _holder(descriptor: int) -> Holder | None:
    """Who the file says holds the folder; None where it says nothing (yet)."""
    try:
        return record_of(Holder, parse_json(os.pread(descriptor, 4096, 0), LOCK), LOCK)
    except DamagedFile:
        return None


def _refusal(path: Path, holder: Holder | None) -> str:
    who = "another process"
    if holder is not None:
        who = f"process {holder.process} on {holder.host}, since {holder.since} ({holder.command})"
    advice = "wait for it, end it, or choose another folder"
    return f"{path.parent}: is in use by {who}: {advice}; if it is gone, delete {path}"

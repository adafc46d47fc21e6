"""Files of tensors and plain data whose content is checked before it is used."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from growsearch.runs.files import write_atomically
from growsearch.runs.reading import DamagedFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MARK = b"sha256 "
_COMMENT = len(_MARK) + 64
_CHUNK = 1 << 20


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Replace a file by tensors and plain data, with a checksum: whole or not at all.

    `torch.load` reads it too: the checksum, of all that stands before it, is the comment that a zip archive may end on.
    """
    write_atomically(path, lambda file: _write(file, content))


def read_tensors(path: Path, device: torch.device) -> Any:
    """What `write_tensors` wrote, tensors on `device`; only tensors and plain data are read, never code.

    Raises `DamagedFile` where the checksum does not hold (one wrong bit is enough), or the file is cut off or another.
    Of files of older versions, which have none, the parts are checked by the checksums that torch writes.
    """
    try:
        _check(path)
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError) as error:
        raise DamagedFile(f"{path}: is damaged: no whole file of torch ({error})") from error
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise DamagedFile(f"{path}: is damaged: {error}") from error


class _Hashed(BytesIO):
    """What is written goes to another file, and into a checksum."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.sum = hashlib.sha256()

    def write(self, data: ReadableBuffer, /) -> int:
        self.sum.update(data)
        return self._file.write(data)


def _write(file: BinaryIO, content: dict[str, Any]) -> None:
    hashed = _Hashed(file)
    torch.save(content, hashed)
    file.seek(-2, os.SEEK_END)  # an archive ends on the length of its comment
    file.write(_COMMENT.to_bytes(2, "little") + _MARK + hashed.sum.hexdigest().encode())


def _check(path: Path) -> None:
    found, size = hashlib.sha256(), path.stat().st_size - _COMMENT - 2
    with path.open("rb") as file:
        file.seek(max(size, 0))
        end = file.read()
        if not end[2:].startswith(_MARK):
            _check_parts(path)
            return
        file.seek(0)
        while size > 0:
            size -= len(data := file.read(min(size, _CHUNK)))
            found.update(data)
    found.update(b"\0\0")
    if found.hexdigest().encode() != end[-64:]:
        raise DamagedFile(f"{path}: is damaged: its checksum does not hold")


def _check_parts(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        changed = archive.testzip()
    if changed is not None:
        raise DamagedFile(f"{path}: is damaged: the checksum of {changed!r} does not hold")

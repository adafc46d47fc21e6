"""Image files of a folder with one folder a class, and their decoded pixels as one memory-mapped array."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from growsearch.data.dataset import fixed_order
from growsearch.data.decoding import SUFFIXES, Decoding, Pixels
from growsearch.data.stratified import Indices, stratified_split
from growsearch.errors import DataError
from growsearch.writing import make_folder, writing

_CACHE_VERSION = 1  # counts up when decoding changes, so that older caches are not read
_CHUNK = 256


@dataclass(frozen=True)
class ImageFiles:
    """The files of one split in a fixed random order, with their class numbers and a fingerprint of all of them."""

    folder: Path
    paths: tuple[str, ...]
    targets: Tensor
    fingerprint: str

    @classmethod
    def scan(cls, folder: Path, classes: list[str]) -> ImageFiles:
        """List `folder/CLASS/**`; `DataError` where a class has no image or is not in `classes`."""
        unknown = sorted(set(class_names(folder)) - set(classes))
        if unknown:
            raise DataError(f"{folder} has classes without training images: {', '.join(unknown)}")
        digest = hashlib.blake2b(digest_size=12)
        paths: list[str] = []
        targets: list[int] = []
        for number, name in enumerate(classes):
            found = sorted(_images(folder, name))
            if not found:
                raise DataError(f"class folder {folder / name} has no images: allowed are {', '.join(SUFFIXES)}")
            paths += [path for path, _, _ in found]
            targets += [number] * len(found)
            digest.update(json.dumps([name, found]).encode())
        order = fixed_order(len(paths))
        return cls(folder, tuple(paths[i] for i in order.tolist()), torch.tensor(targets)[order], digest.hexdigest())

    def divided(self, share: float, classes: list[str]) -> dict[str, ImageFiles]:
        """Return `train` and `test`, a share of the files of every class; the same ones each time.

        Raises `DataError` where a class has too few images for that.
        """
        train, test = stratified_split(self.targets.numpy(), max(1, round(share * len(self.paths))))
        for number, name in enumerate(classes):
            if number not in self.targets[train]:
                raise DataError(
                    f"class folder {self.folder / name} has too few images to hold {share:g} of them out for the test"
                )
        parts = {"train": train, "test": test}
        return {name: self._taken(positions, f"{name}-{share:g}") for name, positions in parts.items()}

    def _taken(self, positions: Indices, part: str) -> ImageFiles:
        paths = tuple(self.paths[i] for i in positions.tolist())
        return ImageFiles(self.folder, paths, self.targets[positions], f"{part}-{self.fingerprint}")

    def cached(self, cache: Path, decoding: Decoding) -> Path:
        """The file in `cache` that has, or will have, the pixels of exactly these files."""
        parts = (self.folder.parent.name, self.folder.name, self.fingerprint, decoding.key, f"v{_CACHE_VERSION}")
        return cache / f"{'-'.join(parts)}.npy"

    def pixels(self, cache: Path, decoding: Decoding) -> Tensor:
        """Pixels uint8 `[N, channels, height, width]`, memory-mapped from `cache`, decoded into it the first time."""
        path = self.cached(cache, decoding)
        if not path.exists():
            self._decode(path, decoding)
        return torch.from_numpy(np.load(path, mmap_mode="c"))  # private pages: torch has no read-only tensors

    def try_some(self, decoding: Decoding, most: int) -> tuple[Pixels, int]:
        """Decode up to `most` images, without keeping them: the pixels of the first, and how many were decoded.

        The files are in a random order, so these are a sample of all classes. Raises `DataError` as `pixels` does.
        """
        first = decoding.read(self.folder / self.paths[0])
        count = min(most, len(self.paths))
        shape = (len(self.paths), *first.shape)
        self._in_threads(count, lambda index: self._read_like(shape, index, decoding))
        return first, count

    def _decode(self, path: Path, decoding: Decoding) -> None:
        """Write the cache file whole or not at all."""
        first = decoding.read(self.folder / self.paths[0])
        make_folder(path.parent)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        try:
            shape = (len(self.paths), *first.shape)
            with writing(path):
                array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
                _reserve(temporary)
            self._fill(array, decoding)
            array.flush()
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _fill(self, array: Pixels, decoding: Decoding) -> None:
        """Decode in a few threads (the decoders run beside each other), stopping at the first problem."""

        def fill(index: int) -> None:
            array[index] = self._read_like(array.shape, index, decoding)

        self._in_threads(len(self.paths), fill)

    def _in_threads(self, count: int, work: Callable[[int], object]) -> None:
        """`work` for the numbers of the first `count` files, in chunks."""

        def chunk_from(start: int) -> None:
            for index in range(start, min(start + _CHUNK, count)):
                work(index)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            chunks = [pool.submit(chunk_from, start) for start in range(0, count, _CHUNK)]
            try:
                for chunk in chunks:
                    chunk.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _read_like(self, shape: tuple[int, ...], index: int, decoding: Decoding) -> Pixels:
        """The pixels of an image, which have to be as many as those of the first."""
        pixels = decoding.read(self.folder / self.paths[index])
        if pixels.shape != shape[1:]:
            raise DataError(
                f"images differ in size: {self.folder / self.paths[0]} has {_pixels(shape)}, "
                f"{self.folder / self.paths[index]} has {_pixels(pixels.shape)}; "
                "give data.size to resize and crop all of them to one square"
            )
        return pixels


def _reserve(path: Path) -> None:
    """Take the room that a file is long: where there is none, writing to it as memory would end the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def class_names(folder: Path) -> list[str]:
    """Names of the class folders, sorted."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir()]
    for entry in entries:
        _require_no_link(entry)
    return sorted(entry.name for entry in entries)


def _images(split: Path, below: str) -> list[tuple[str, int, int]]:
    """(path from the split's folder, bytes, time of the last change) of every image under `split / below`."""
    folder = split / below
    if not folder.is_dir():
        return []
    found: list[tuple[str, int, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                _require_no_link(entry)
                found += _images(split, f"{below}/{entry.name}")
            elif entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                status = _status(entry, split)
                found.append((f"{below}/{entry.name}", status.st_size, status.st_mtime_ns))
    return found


def _require_no_link(entry: os.DirEntry[str]) -> None:
    """Raise `DataError` for a folder that is a link: its images could be in two splits, or it could hold itself."""
    if entry.is_symlink():
        raise DataError(f"{entry.path} is a link to a folder: put the images themselves, or links to each, there")


def _status(entry: os.DirEntry[str], split: Path) -> os.stat_result:
    """Of an image; `DataError` for what is no regular file, and for links that are broken or lead elsewhere."""
    if entry.is_symlink():
        target = Path(entry.path).resolve()
        if not target.exists():
            raise DataError(f"{entry.path} is a broken link to {target}: mend or remove it")
        if not target.is_relative_to(split.resolve()):
            raise DataError(
                f"{entry.path} is a link to {target}, outside of {split}: copy the image, unless another split has it"
            )
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{entry.path} is no regular file: remove it")
    return status


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[-2]} x {shape[-1]} pixels"

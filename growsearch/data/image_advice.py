"""What a first `data` section says of a folder of images: what is held out for the test, and to which size they are."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from growsearch.data.advice import Advice
from growsearch.data.decoding import FORMATS, SUFFIXES
from growsearch.data.image_files import class_names

_SIZE = 64  # pixels: a first comparison of a dozen runs ends the same day
_SEEN = 300  # images: one of each class in turn
_SHARE = 0.2


def advise(root: Path) -> Advice:
    """Look at the folders in `root` and at some images; where there is nothing to be seen, nothing is advised.

    Without a folder for the test a share is held out for it, and images that differ in size or are large are made one
    size.
    """
    if not root.is_dir():
        return Advice()
    advice = Advice()
    there = {part for part in ("train", "test", "val") if (root / part).is_dir()}
    folder = root / "train" if "train" in there else root
    if not there & {"test", "val"} and class_names(folder):
        advice.settings["test"] = _SHARE
        advice.reasons.append(f"{root} has no folder test/: a share of {_SHARE} is held out for it (data.test)")
    sizes = list(_sizes(folder))
    if not sizes:
        return advice
    usual = int(statistics.median(min(size) for size in sizes))
    if len(set(sizes)) > 1:
        why = f"images differ in size, as {_written(min(sizes))} and {_written(max(sizes))}"
    elif usual > _SIZE:
        why = f"images are {_written(sizes[0])}, which takes long to train on"
    else:
        return advice
    size = min(_SIZE, usual)
    advice.settings["size"] = size
    advice.reasons.append(f"{why}: all are resized and cropped to {_written((size, size))} (data.size)")
    return advice


def _sizes(folder: Path) -> Iterator[tuple[int, int]]:
    """Width and height of some images, read from their first bytes; others than images are passed over."""
    classes = class_names(folder)
    for name in classes:
        seen = 0
        for path in _images(folder / name):
            try:
                with Image.open(path, formats=FORMATS) as image:
                    yield image.size
            except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
                continue
            seen += 1
            if seen * len(classes) >= _SEEN:
                break


def _images(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.lower().endswith(SUFFIXES))


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

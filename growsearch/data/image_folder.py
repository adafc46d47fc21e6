"""Images in folders, one folder a class."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from growsearch.data.dataset import (
    DataSet,
    DataSource,
    HeldOut,
    Split,
    Validation,
    channel_statistics,
    split_off,
    validation_count,
)
from growsearch.data.decoding import Decoding
from growsearch.data.image_files import ImageFiles, class_names
from growsearch.data.outline import Outline, blank_images
from growsearch.errors import DataError
from growsearch.tasks import Classification

_TRIED = 2_000  # images of a split that are decoded to see that they can be: seconds


class ImageFolder(DataSource):
    """`ROOT/train/CLASS/IMAGE` and `ROOT/test/CLASS/IMAGE` (or `val`), decoded once into an array on disk.

    Where there is no folder for the test, `test` is the share of every class that is held out for it, and `train` may
    be left out, too: `ROOT/CLASS/IMAGE`. `validation` training images (a number, or as a fraction a share) are held
    out: the same ones in every run. Where there are both samples for the test and `val`, and it is 0, `val` is the
    validation split. `size` resizes the shorter side and crops the centre. The array lies in `cache`, by default the
    folder `ROOT.cache` beside ROOT (or, where that cannot be written, in the user's cache folder), and is made again
    when a file changes.
    """

    summary: ClassVar[str] = "one folder of images a class, in train/ and test/ (or val/), or a share held out"
    source: ClassVar[str] = "the layout of torchvision.datasets.ImageFolder"

    root: Path
    test: HeldOut | None = None
    validation: Validation = 0
    cache: Path | None = None
    size: int | None = Field(default=None, ge=1)
    grayscale: bool = False

    @property
    def folder(self) -> Path:
        """`root`, with `~` for the home folder."""
        return self.root.expanduser()

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` for missing folders, empty classes and damaged images."""
        classes, files = self._files()
        splits = {name: self._split(split) for name, split in files.items()}
        total = len(splits["train"])
        count = validation_count(self.validation, total, self.root.name)
        train, validation = split_off(splits["train"].inputs, splits["train"].targets, count)
        mean, std = channel_statistics(train.inputs)
        return DataSet(
            name=self.root.absolute().name,
            train=train,
            validation=splits.get("validation") or validation,
            test=splits["test"],
            outputs=len(classes),
            task=Classification(),
            mean=mean,
            std=std,
            input_shape=tuple(train.inputs.shape[1:]),
        )

    def outline(self) -> Outline:
        """See `DataSource.outline`: all folders are listed, and of each split some images are decoded, at random.

        Nothing is written. Splits that were decoded before are not decoded again.
        """
        classes, files = self._files()
        decoding, unseen = Decoding(self.size, self.grayscale), list[str]()
        shape: tuple[int, ...] = ()
        for split in files.values():
            known = split.cached(self._cache(), decoding).exists()
            first, tried = split.try_some(decoding, 1 if known else _TRIED)
            shape = shape or first.shape
            if not known and tried < len(split.paths):
                unseen.append(f"{len(split.paths) - tried:,} of {len(split.paths):,} images in {split.folder}")
        counts = {name: len(split.paths) for name, split in files.items()}
        held_out = validation_count(self.validation, counts["train"], self.root.name)
        counts["train"] -= held_out
        counts["validation"] = counts.get("validation", 0) or held_out
        data = blank_images(self.root.absolute().name, counts, len(classes), shape)
        return Outline(data, tuple(unseen))

    def _files(self) -> tuple[list[str], dict[str, ImageFiles]]:
        """The names of the classes, and the files of each split."""
        folders = self._folders()
        classes = class_names(folders["train"])
        if not classes:
            raise DataError(f"{folders['train']} has no class folders: {_LAYOUT}")
        files = {name: ImageFiles.scan(folder, classes) for name, folder in folders.items()}
        if self.test is not None:
            files |= files["train"].divided(self.test, classes)
        return classes, files

    def _folders(self) -> dict[str, Path]:
        """The folder of each split that there is."""
        if not self.folder.is_dir():
            raise DataError(f"data folder {self.folder.absolute()} does not exist: {_LAYOUT}")
        parts = {"train": "train", "validation": "val", "test": "test"}
        there = {name: self.folder / part for name, part in parts.items() if (self.folder / part).is_dir()}
        if self.test is not None:
            if "test" in there:
                raise DataError(f"{there['test']} is there, so no share is held out for the test: leave data.test out")
            return self._used(there or {"train": self.folder}, {"train"})
        if "test" not in there and "validation" in there:
            there["test"] = there.pop("validation")
        return self._used(there, {"train", "test"})

    def _used(self, there: dict[str, Path], needed: set[str]) -> dict[str, Path]:
        """The folders whose images are read; `DataError` unless all that are needed are there."""
        if needed - there.keys():
            found = ", ".join(sorted(os.listdir(self.folder))[:10]) or "nothing"
            raise DataError(f"data folder {self.folder.absolute()} holds {found}: {_LAYOUT}")
        if self.validation:
            there.pop("validation", None)
        return _apart(there)

    def _split(self, files: ImageFiles) -> Split:
        return Split(files.pixels(self._cache(), Decoding(self.size, self.grayscale)), files.targets)

    def _cache(self) -> Path:
        if self.cache is not None:
            return self.cache
        root = self.folder.absolute()
        beside = root.with_name(f"{root.name}.cache")
        if os.access(beside if beside.exists() else root.parent, os.W_OK):
            return beside
        return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "growsearch"


def _apart(folders: dict[str, Path]) -> dict[str, Path]:
    """The folders; `DataError` where links make two of them one, or one part of another."""
    for one, other in itertools.permutations(folders.values(), 2):
        if one.resolve().is_relative_to(other.resolve()):
            raise DataError(f"{one} is in {other}, by a link: images of one split must not be in another")
    return folders


_LAYOUT = (
    "needed are train/CLASS/IMAGE and test/CLASS/IMAGE (or val/CLASS/IMAGE) in it; with data.test, the share that is "
    "held out for the test, train/CLASS/IMAGE or CLASS/IMAGE"
)

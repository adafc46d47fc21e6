"""CIFAR-10 and CIFAR-100, through torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from growsearch.data.dataset import DataSet, DataSource, Split, Validation, fixed_order, split_off, validation_count
from growsearch.data.outline import Outline, blank_images
from growsearch.errors import DataError
from growsearch.tasks import Classification


class CIFAR(DataSource):
    """50,000 training and 10,000 test images of 32x32 pixels.

    `validation` training images (a number, or as a fraction a share) are held out: the same ones in every run.
    """

    source: ClassVar[str] = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"

    classes: ClassVar[int]
    kind: ClassVar[str]
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]

    root: Path = Path("data")
    download: bool = True
    validation: Validation = 0

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` with the manual way where the files cannot be had."""
        images, targets = self._read(train=True)
        order = fixed_order(len(targets))
        count = validation_count(self.validation, len(targets), self.kind.lower())
        train, validation = split_off(images[order], targets[order], count)
        return DataSet(
            name=self.kind.lower(),
            train=train,
            validation=validation,
            test=Split(*self._read(train=False)),
            outputs=self.classes,
            task=Classification(),
            mean=self.mean,
            std=self.std,
            input_shape=(3, 32, 32),
        )

    def outline(self) -> Outline:
        """See `DataSource.outline`: nothing is downloaded, and what is there is read when a run begins."""
        name, total = self.kind.lower(), 50_000
        held_out = validation_count(self.validation, total, name)
        counts = {"train": total - held_out, "validation": held_out, "test": 10_000}
        folder = self.root / self._folder_name()
        if not folder.is_dir() and not self.download:
            self._read(train=True)
        where = f"the files in {folder}" if folder.is_dir() else f"the download: there is no {folder} yet"
        return Outline(blank_images(name, counts, self.classes, (3, 32, 32)), (f"data {name}: {where}",))

    def _folder_name(self) -> str:
        from torchvision import datasets

        return str(getattr(datasets, self.kind).base_folder)

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        from torchvision import datasets  # slow to import, and needed by these data sets only

        kind: Any = getattr(datasets, self.kind)
        try:
            read = kind(root=str(self.root), train=train, download=self.download)
        except (OSError, RuntimeError) as error:  # no network, no permission, no files, wrong checksum
            raise DataError(self._manual_way(kind, error)) from error
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        return images, torch.tensor(read.targets)

    def _manual_way(self, kind: Any, error: Exception) -> str:
        folder = self.root.absolute()
        tried = "and could not be downloaded" if self.download else "and download is false"
        return (
            f"data {self.kind.lower()!r} is not in {folder} {tried} ({error}). "
            f"By hand: fetch {kind.url} on a machine with network access, "
            f"put {kind.filename} (md5 {kind.tgz_md5}) into {folder} and unpack it there, so that "
            f"{folder / kind.base_folder} exists; or name in data.root the folder that holds {kind.base_folder}"
        )


class CIFAR10(CIFAR):
    """CIFAR-10."""

    summary: ClassVar[str] = "60,000 photographs of 32x32 pixels in 10 classes, downloaded on first use"
    classes: ClassVar[int] = 10
    kind: ClassVar[str] = "CIFAR10"
    mean: ClassVar[tuple[float, ...]] = (0.4914, 0.4822, 0.4465)
    std: ClassVar[tuple[float, ...]] = (0.2470, 0.2435, 0.2616)


class CIFAR100(CIFAR):
    """CIFAR-100."""

    summary: ClassVar[str] = "60,000 photographs of 32x32 pixels in 100 classes, downloaded on first use"
    classes: ClassVar[int] = 100
    kind: ClassVar[str] = "CIFAR100"
    mean: ClassVar[tuple[float, ...]] = (0.5071, 0.4865, 0.4409)
    std: ClassVar[tuple[float, ...]] = (0.2673, 0.2564, 0.2762)

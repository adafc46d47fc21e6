"""Real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from growsearch.data.dataset import DataSet, DataSource, Split, channel_statistics
from growsearch.data.stratified import stratified_split
from growsearch.errors import DataError
from growsearch.installing import command_for
from growsearch.tasks import Classification

_VALIDATION = 300
_TEST = 400


class Digits(DataSource):
    """1,797 images of 8x8 pixels in 10 classes: 1,097 for training, 300 for validation, 400 for the test."""

    summary: ClassVar[str] = "1,797 handwritten digits of 8x8 pixels, embedded: no download"
    source: ClassVar[str] = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998"

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; the stratified split is the same for every seed."""
        table = np.loadtxt(_file(), delimiter=",")
        images = torch.from_numpy(table[:, :-1] * (255 / 16)).round().to(torch.uint8).reshape(-1, 1, 8, 8)
        targets = torch.from_numpy(table[:, -1]).long()
        rest, test = stratified_split(targets.numpy(), _TEST)
        inner, held_out = stratified_split(targets.numpy()[rest], _VALIDATION)
        train, validation = rest[inner], rest[held_out]
        mean, std = channel_statistics(images[train])
        return DataSet(
            name="digits",
            train=Split(images[train], targets[train]),
            validation=Split(images[validation], targets[validation]),
            test=Split(images[test], targets[test]),
            outputs=10,
            task=Classification(),
            mean=mean,
            std=std,
            input_shape=(1, 8, 8),
        )


def _file() -> Path:
    """The file inside scikit-learn, which takes as long to import as a short run takes to train."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        needed = command_for("scikit-learn")
        raise DataError(f"data 'digits' comes with scikit-learn, which is not installed: {needed}")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"

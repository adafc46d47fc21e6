"""Real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from typing import ClassVar

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from growsearch.data.dataset import DataSet, DataSource, Split, channel_statistics
from growsearch.tasks import Classification

_VALIDATION = 300
_TEST = 400


class Digits(DataSource):
    """1,797 images of 8x8 pixels in 10 classes: 1,097 for training, 300 for validation, 400 for the test."""

    summary: ClassVar[str] = "1,797 handwritten digits of 8x8 pixels, embedded: no download"
    source: ClassVar[str] = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998"

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; the stratified split is the same for every seed."""
        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        targets = torch.from_numpy(digits.target).long()
        rest, test = train_test_split(range(len(targets)), test_size=_TEST, stratify=targets, random_state=0)
        train, validation = train_test_split(rest, test_size=_VALIDATION, stratify=targets[rest], random_state=0)
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

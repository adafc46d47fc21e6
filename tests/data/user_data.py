"""What a user's own module might have."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset


def pairs(samples: int = 60, seed: int = 0) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 4, generator=generator)
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def apart() -> tuple[Dataset[Any], Dataset[Any]]:
    return pairs(40), pairs(20, seed=1)


class Stream(IterableDataset[tuple[float, float]]):
    def __iter__(self) -> Any:
        return iter([(float(index), index / 7) for index in range(30)])


def pictures() -> Any:
    from torchvision.datasets import FakeData

    return FakeData(40, image_size=(3, 8, 8), num_classes=4)


def failing() -> None:
    raise KeyError("no such drive")


def ragged() -> Any:
    return [(torch.zeros(2), 0), (torch.zeros(3), 1)]


class Ragged(TensorDataset):
    def __init__(self) -> None:
        super().__init__(torch.zeros(4))

    def __getitem__(self, index: int) -> Any:
        return torch.zeros(2 + index), 0


class Broken(TensorDataset):
    def __init__(self) -> None:
        super().__init__(torch.zeros(4, 2), torch.zeros(4))

    def __getitem__(self, index: int) -> Any:
        if index == 2:
            raise OSError("the disk is gone")
        return super().__getitem__(index)


class Single(TensorDataset):
    def __init__(self) -> None:
        super().__init__(torch.zeros(4, 2))

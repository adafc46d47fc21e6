from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from growsearch.data.cifar import CIFAR10, CIFAR100
from growsearch.errors import DataError


class Miniature:
    """Twenty images in place of torchvision's data set; image k has the red value k."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        self.data = np.zeros((20, 32, 32, 3), dtype=np.uint8)
        self.data[..., 0] = np.arange(20)[:, None, None]
        self.targets = [k % 10 for k in range(20)]


def test_images_come_channels_first_and_validation_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "CIFAR10", Miniature)
    first, second = (CIFAR10(validation=5).load(seed) for seed in (0, 1))
    assert first.validation is not None and second.validation is not None
    assert first.input_shape == (3, 32, 32) and first.train.inputs.shape == (15, 3, 32, 32)
    assert torch.equal(first.train.targets, first.train.inputs[:, 0, 0, 0] % 10)
    values = torch.cat([first.train.inputs, first.validation.inputs])[:, 0, 0, 0]
    assert sorted(values.tolist()) == list(range(20))
    assert torch.equal(first.validation.inputs, second.validation.inputs)


def unreachable(*args: Any, **kwargs: Any) -> None:
    raise URLError("Temporary failure in name resolution")


def test_without_network_the_message_tells_the_manual_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", unreachable)
    with pytest.raises(DataError) as caught:
        CIFAR10(root=tmp_path).load(0)
    message = str(caught.value)
    assert "Temporary failure in name resolution" in message
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in message
    assert str(tmp_path / "cifar-10-batches-py") in message


def test_without_files_and_download_the_message_tells_the_manual_way(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'cifar100' is not in .*download is false.*cifar-100-python\.tar\.gz"):
        CIFAR100(root=tmp_path, download=False).load(0)

"""Processes that train one network take their shares of the batches that one process has."""

from __future__ import annotations

import pytest
import torch

from growsearch.data import WHOLE, Augment, Batches, Share, load_data
from growsearch.training.samples import StatisticsBatches


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 7, 8])
def test_shares_put_together_are_the_whole(samples: int) -> None:
    parts = [range(100)[Share(rank, 3).of(10, 10 + samples)] for rank in range(3)]

    assert [each for part in parts for each in part] == list(range(10, 10 + samples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert range(100)[WHOLE.of(10, 10 + samples)] == range(10, 10 + samples)


@pytest.mark.parametrize("batch_size", [0, 500])
def test_batches_are_shared_with_their_order_and_augmentation(batch_size: int) -> None:
    data = load_data({"name": "digits"}, 0)
    augment = Augment(pad=1, flip=True)
    one, *parts = (Batches(data.train, batch_size, data, "cpu", augment, 3, share) for share in (WHOLE, *shares(3)))

    for whole, *own in zip(*(list(each) for each in (one, *parts)), strict=True):
        for place in (0, 1):
            assert torch.equal(torch.cat([each[place] for each in own]), whole[place])
        assert max(len(each[1]) for each in own) < len(whole[1])
    assert [each.samples for each in (one, *parts)] == [1097 % 500 if batch_size else 1097] * 4


def test_statistics_are_of_the_same_samples() -> None:
    data = load_data({"name": "digits"}, 0)
    one, *parts = (StatisticsBatches(data, 10, torch.device("cpu"), 3, share) for share in (WHOLE, *shares(4)))

    for _ in range(2):
        whole, *own = (next(iter(each)) for each in (one, *parts))
        assert torch.equal(torch.cat([each[0] for each in own]), whole[0])
    assert torch.equal(one.first(5)[0], parts[1].first(5)[0])


def shares(size: int) -> list[Share]:
    return [Share(rank, size) for rank in range(size)]

"""The training samples that growth steps look at."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from growsearch.data import WHOLE, DataSet, Share, Split, evaluation_batches


class StatisticsBatches:
    """Random training samples, not augmented; every pass over them draws others.

    What a pass draws depends on the seed and on the number of passes before it (`passes`, kept in checkpoints), not on
    the order of training: so policies that grow at the same steps see the same samples. A pass has no end: whoever
    looks takes as many batches as it needs. Where several processes train one network each draws its share of the same
    batches.
    """

    def __init__(self, data: DataSet, batch_size: int, device: torch.device, seed: int, share: Share = WHOLE) -> None:
        """Begin before the first pass.

        Args:
            data: whose training split is drawn from.
            batch_size: samples of a batch, of all processes together.
            device: that batches come to.
            seed: of what is drawn.
            share: of this process.
        """
        self._data = data
        self._batch_size = min(batch_size, len(data.train.inputs))
        self._device = device
        self._seed = seed
        self._share = share.of(0, self._batch_size)
        self.passes = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.passes)
        self.passes += 1
        while True:
            samples = torch.randperm(len(self._data.train.inputs), generator=generator)[: self._batch_size]
            yield self._batch(samples[self._share])

    def first(self, samples: int) -> tuple[Tensor, Tensor]:
        """The first training samples, in the layout of a batch."""
        return self._batch(torch.arange(min(samples, len(self._data.train.inputs))))

    def _batch(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        split = Split(self._data.train.inputs[samples], self._data.train.targets[samples])
        return next(iter(evaluation_batches(split, self._data, self._device, len(samples))))

"""Batches of a split that lies on the device: shuffled, augmented and normalised there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from growsearch.data.augment import Augment
from growsearch.data.dataset import DataSet, Split
from growsearch.data.share import WHOLE, Share
from growsearch.errors import InputError

_SHARE_OF_MEMORY = 0.5


class Normalise:
    """uint8 images to channels-last float32 of mean 0 and standard deviation 1; other inputs pass."""

    def __init__(self, dataset: DataSet, device: torch.device | str) -> None:
        mean, std = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (dataset.mean, dataset.std))
        self._factor = 1 / (255 * std)
        self._shift = -mean / std

    def __call__(self, inputs: Tensor) -> Tensor:
        """`[N, ...]` of the same shape."""
        if inputs.dtype != torch.uint8:
            return inputs
        scaled = inputs.float().mul_(self._factor).add_(self._shift)  # a third of the time it takes channels-last
        return scaled.contiguous(memory_format=torch.channels_last)


class Batches:
    """Batches of `(inputs, targets)`, an epoch for each iteration.

    The last batch of an epoch may be smaller. `batch_size=0` gives the whole split as it lies. Order and augmentation
    have generators of their own, so that nothing else that draws random numbers changes them, and are drawn for an
    epoch at once. An iteration that was left before its end is continued by the next one, also from a restored state.

    Where several processes train one network each gets its share of every batch, which may be empty; order and
    augmentation are those of a single process.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        dataset: DataSet,
        device: torch.device | str = "cpu",
        augment: Augment | None = None,
        seed: int = 0,
        share: Share = WHOLE,
    ) -> None:
        """Begin the first epoch.

        Args:
            split: what is trained on.
            batch_size: samples of a batch, of all processes together.
            dataset: that the split is part of.
            device: that the batches come to.
            augment: of images.
            seed: of order and augmentation.
            share: of this process.

        Raises `InputError` where what is to be augmented are no images.
        """
        if augment is not None and split.inputs.dtype != torch.uint8:
            raise InputError(f"training.augment crops and mirrors images, but data {dataset.name!r} has none")
        self._device = torch.device(device)
        self._split = self._epoch = _resident(split, self._device)
        self._batch_size = batch_size or len(split)
        self._whole = batch_size == 0
        self._share = share
        self.samples = 0
        """Samples of the last batch, of all processes together."""
        self._augment = augment
        self._normalise = Normalise(dataset, self._device)
        self._generators = {
            "order": torch.Generator().manual_seed(2 * seed),
            "augment": torch.Generator().manual_seed(2 * seed + 1),
        }
        self._begin_epoch()

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return -(-len(self._split) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._position >= len(self._split):
            self._begin_epoch()
        while self._position < len(self._split):
            start, stop = self._position, min(self._position + self._batch_size, len(self._split))
            self._position += self._batch_size  # before the yield: a state saved by the loop's body is past this batch
            self.samples = stop - start
            yield self._batch(self._share.of(start, stop))

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch stands and how it was drawn: tensors and plain numbers."""
        return {"position": self._position, **self._drawn_from}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state` was taken."""
        for name, generator in self._generators.items():
            generator.set_state(state[name].cpu())
        self._begin_epoch()
        self._position = int(state["position"])

    def _begin_epoch(self) -> None:
        samples = len(self._split)
        self._position = 0
        self._drawn_from = {name: generator.get_state() for name, generator in self._generators.items()}
        if not self._whole:
            self._epoch, order = self._split.epoch(self._generators["order"])
            self._order = order.to(self._epoch.inputs.device)
        if self._augment is not None:
            self._choices = self._augment.draw(samples, self._generators["augment"]).to(self._device)

    def _batch(self, window: slice) -> tuple[Tensor, Tensor]:
        inputs, targets = self._epoch.inputs, self._epoch.targets
        if not self._whole:
            order = self._order[window]
            inputs, targets = inputs.index_select(0, order), targets.index_select(0, order)
        elif self._share != WHOLE:
            inputs, targets = inputs[window], targets[window]
        inputs, targets = inputs.to(self._device, non_blocking=True), targets.to(self._device, non_blocking=True)
        if self._augment is not None:
            inputs = self._augment.apply(inputs, self._choices[window])
        return self._normalise(inputs), targets


def evaluation_batches(
    split: Split, dataset: DataSet, device: torch.device | str, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The split once, in its order, without augmentation; `batch_size` 0 for one batch.

    Args:
        split: what is evaluated on.
        dataset: the data set that it is part of.
        device: that the batches are moved to.
        batch_size: samples of each but the last.
    """
    normalise = Normalise(dataset, device)
    step = batch_size or len(split)
    for start in range(0, len(split), step):
        inputs, targets = split.inputs[start : start + step], split.targets[start : start + step]
        yield normalise(inputs.to(device, non_blocking=True)), targets.to(device, non_blocking=True)


def _resident(split: Split, device: torch.device) -> Split:
    """The split on the device, or where it is when it would take more than half of the device's free memory."""
    if device.type == "cuda" and split.inputs.device.type != "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if split.inputs.nbytes > _SHARE_OF_MEMORY * free:
            return split
    return split.to(device)

"""Batches for growing, of the data that a foreign loop trains on: drawing them changes nothing in that loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from torch.utils.data import DataLoader, IterableDataset

from growsearch.errors import InputError

LABELS = ("labels", "label", "label_ids")
_EXAMPLES = 2


class OwnBatches:
    """Batches of a loader's data, from a loader of their own: shuffled, in this process, until they end.

    The loop's loader is left alone: a second iterator over it may end the first one's workers, move its sampler on, or
    tell the library that an epoch has begun.

    Args:
        loader: what the loop iterates over; has the attributes of torch's `DataLoader`.
        place: brings a batch to the device.

    Raises `InputError` where nothing tells how its batches are made.
    """

    def __init__(self, loader: Any, place: Callable[[Any], Any]) -> None:
        dataset, size = getattr(loader, "dataset", None), _batch_size(loader)
        if dataset is None or size is None:
            raise InputError(
                f"batches for growing cannot be drawn from a {type(loader).__name__} that does not say its data set "
                "and batch size: give batches=, an iterable of training batches"
            )
        shuffle = not isinstance(dataset, IterableDataset)
        collate = getattr(loader, "collate_fn", None)
        self._loader: DataLoader[Any] = DataLoader(dataset, batch_size=size, shuffle=shuffle, collate_fn=collate)
        self._place = place

    def __iter__(self) -> Iterator[Any]:
        return map(self._place, self._loader)


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on the device; a mapping of any kind becomes a dict."""
    plain = dict(batch) if isinstance(batch, Mapping) else batch
    return tree_map_only(Tensor, lambda tensor: tensor.to(device), plain)


def example_of(batches: Iterable[Any]) -> Any:
    """Two samples of the first batch, as the network is called with them.

    Those of a mapping are keyword arguments, without its labels; of a sequence the first element is the input. Raises
    `InputError` where this finds no tensor.
    """
    batch = next(iter(batches), None)
    if isinstance(batch, Mapping):
        found: Any = {name: _first(value) for name, value in batch.items() if name not in LABELS}
        usable = bool(found) and all(isinstance(value, Tensor) for value in found.values())
    else:
        found = _first(batch[0] if isinstance(batch, list | tuple) and batch else batch)
        usable = isinstance(found, Tensor)
    if not usable:
        raise InputError(
            f"a batch of type {type(batch).__name__} does not tell the network's inputs: give example_inputs=, two "
            "samples as the network is called with them"
        )
    return found


def _first(value: Any) -> Any:
    return value[:_EXAMPLES] if isinstance(value, Tensor) and value.ndim > 0 else value


def _batch_size(loader: Any) -> int | None:
    sizes = (getattr(each, "batch_size", None) for each in (loader, getattr(loader, "batch_sampler", None)))
    return next((size for size in sizes if isinstance(size, int)), None)

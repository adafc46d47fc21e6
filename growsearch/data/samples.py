"""Samples one by one, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
from torch import Tensor

from growsearch.data.raw import Array, Raw
from growsearch.errors import DataError


def gathered(samples: Iterable[Any], where: str) -> Raw:
    """Return pairs of an input and its target, whatever these are (numbers, arrays, tensors, images), as arrays.

    Raises `DataError` where a sample cannot be had, is no pair, or is shaped differently from the first.
    """
    inputs, targets = [], []
    for index, sample in enumerate(_each(samples, where)):
        if not isinstance(sample, Sequence) or isinstance(sample, str) or len(sample) != 2:
            raise DataError(
                f"{where}: sample {index} is a {type(sample).__name__}: give pairs (input, target), tensors or numbers"
            )
        inputs.append(sample[0])
        targets.append(sample[1])
    if not inputs:
        raise DataError(f"{where}: there are no samples")
    found = stacked(inputs, f"{where}: the inputs")
    return Raw(found[:, None] if found.ndim == 1 else found, stacked(targets, f"{where}: the targets"))


def _each(samples: Iterable[Any], where: str) -> Iterator[Any]:
    following = iter(samples)
    for index in count():
        try:
            sample = next(following)
        except StopIteration:
            return
        except Exception as error:  # the user's own code
            raise DataError(f"{where}: sample {index} failed: {type(error).__name__}: {error}") from error
        yield sample


def stacked(values: Sequence[Any], where: str) -> Array:
    """Return values of one shape as one array. Raises `DataError` where one is no number, text or image, or differs."""
    arrays = [np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value) for value in values]
    for index, array in enumerate(arrays):
        if array.dtype.kind == "O":
            raise DataError(f"{where}: sample {index} has {values[index]!r:.60}, which is neither number nor text")
        if array.shape != arrays[0].shape:
            raise DataError(
                f"{where}: sample {index} has shape {list(array.shape)}, the first one {list(arrays[0].shape)}: bring "
                "them to one shape"
            )
    return np.stack(arrays)

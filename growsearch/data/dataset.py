"""What a data set is, and the base of everything that loads one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from growsearch.errors import DataError
from growsearch.tasks import Task

if TYPE_CHECKING:
    from growsearch.data.outline import Outline

HeldOut = Annotated[float, Field(gt=0, lt=1)]
"""A share of the samples."""
Validation = Annotated[int, Field(ge=0, strict=True)] | Annotated[float, Field(ge=0, lt=1)]

_STATISTICS_IMAGES = 10_000
_CHUNK = 1_000


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs with their targets.

    `inputs`: uint8 `[N, channels, height, width]` for images, int64 `[N, ...]` for tokens, else float32 `[N, ...]`.
    `targets`: what the task takes. Either may be a view of a memory-mapped file.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device | str) -> Split:
        """The same split on another device."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def epoch(self, generator: torch.Generator) -> tuple[Split, Tensor]:
        """Return the samples of one epoch of training and their order `[N]`, drawn from `generator`, on the CPU."""
        return self, torch.randperm(len(self), generator=generator)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Splits, and what a network and a loop have to know about them.

    `mean` and `std` are per channel, of images scaled to [0, 1]; () for other inputs. `input_shape` is one sample's,
    `input_dtype` what a network is given (int64 for tokens). `sha256` is that of a text. `scaling` has `mean` and `std`
    of `inputs` and `targets`, where these were brought to 0 and 1: by feature, channel or output.
    """

    name: str
    train: Split
    validation: Split | None
    test: Split
    outputs: int
    task: Task
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[int, ...]
    input_dtype: torch.dtype = torch.float32
    sha256: str | None = None
    scaling: Mapping[str, Mapping[str, tuple[float, ...]]] | None = None

    @property
    def normalisation(self) -> Mapping[str, Any] | None:
        """Return what has to be done to raw inputs before a network reads them, as plain data; None: nothing."""
        return {"mean": self.mean, "std": self.std} if self.mean else self.scaling

    @property
    def samples(self) -> dict[str, int]:
        """Number of samples of each split."""
        held_out = 0 if self.validation is None else len(self.validation)
        return {"training": len(self.train), "validation": held_out, "test": len(self.test)}

    def example(self, samples: int = 2) -> Tensor:
        """Return zeros of the shape and type of a batch of inputs: `[samples, *input_shape]`."""
        return torch.zeros(samples, *self.input_shape, dtype=self.input_dtype)


class DataSource(BaseModel, ABC):
    """Base of the data sets of a file: a frozen pydantic model whose fields are its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: ClassVar[str]
    source: ClassVar[str]
    imports: ClassVar[bool] = False
    """Whether loading runs code of the user's, named by its import path."""

    @abstractmethod
    def load(self, seed: int) -> DataSet:
        """The data; only generated data depend on `seed`. Raises `DataError`."""

    def outline(self) -> Outline:
        """The data as far as a check before a run reads them, here whole; raises `DataError` for what cannot be read.

        A source whose data take long to read gives the numbers and shapes alone, and says what it has not looked at.
        """
        from growsearch.data.outline import Outline

        return Outline(self.load(0))


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, of uint8 images `[N, channels, height, width]` scaled to [0, 1].

    Of the first 10,000 images where there are more. A channel that is constant has standard deviation 1.
    """
    sums = torch.zeros(2, images.shape[1], dtype=torch.float64)
    for chunk in torch.split(images[:_STATISTICS_IMAGES], _CHUNK):
        scaled = chunk.float() / 255
        sums += torch.stack([scaled.sum(dim=(0, 2, 3)), scaled.square().sum(dim=(0, 2, 3))]).double()
    count = min(len(images), _STATISTICS_IMAGES) * images.shape[2] * images.shape[3]
    mean, square = sums / count
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    deviation[deviation < 1e-4] = 1.0
    return tuple(mean.tolist()), tuple(deviation.tolist())


def validation_count(validation: int | float, total: int, name: str) -> int:
    """How many of `total` training samples are for validation: a number of them, or (as a float) a share.

    Raises `DataError` where no training sample would be left, or a share above 0 gives none.
    """
    count = round(validation * total) if isinstance(validation, float) else validation
    if count >= total or (validation > 0 and count == 0):
        raise DataError(
            f"data {name!r}: validation {validation!r} would take {count} of {total} training samples: "
            "give a number below that, or a share between 0 and 1"
        )
    return count


def split_off(inputs: Tensor, targets: Tensor, count: int) -> tuple[Split, Split | None]:
    """The split without its first `count` samples, and these (None where there are none); views, no copies."""
    validation = Split(inputs[:count], targets[:count]) if count else None
    return Split(inputs[count:], targets[count:]), validation


def fixed_order(total: int) -> Tensor:
    """A permutation of `total` samples that depends on nothing else: what is held out is the same in every run."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))

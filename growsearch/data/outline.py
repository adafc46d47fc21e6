"""What a data set looks like, without its content: enough to set a run up before its data is read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from growsearch.data.dataset import DataSet, Split
from growsearch.tasks import Classification


@dataclass(frozen=True, eq=False)
class Outline:
    """A data set of the right numbers and shapes, and what of the files behind it nobody has looked at, in words."""

    data: DataSet
    unseen: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`digits: 1,097 training, 300 validation and 400 test samples of 1x8x8, 10 outputs (classification)`."""
        data = self.data
        *first, last = [f"{count:,} {split}" for split, count in data.samples.items() if count]
        task = type(data.task).__name__.lower()
        outputs = "output" if data.outputs == 1 else "outputs"
        shape = "x".join(map(str, data.input_shape))
        return f"{data.name}: {', '.join(first)} and {last} samples of {shape}, {data.outputs:,} {outputs} ({task})"


def blank_images(name: str, counts: dict[str, int], outputs: int, input_shape: tuple[int, ...]) -> DataSet:
    """A data set of black images, `counts` of them in `train`, `validation` (0: none) and `test`; it takes no memory.

    The targets run through all classes.

    Args:
        name: of the data set.
        counts: samples, by split.
        outputs: number of classes.
        input_shape: of one sample.
    """
    channels = input_shape[0]
    validation = counts.get("validation", 0)
    return DataSet(
        name=name,
        train=_blank(counts["train"], outputs, input_shape),
        validation=_blank(validation, outputs, input_shape) if validation else None,
        test=_blank(counts["test"], outputs, input_shape),
        outputs=outputs,
        task=Classification(),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        input_shape=input_shape,
    )


def _blank(count: int, outputs: int, input_shape: tuple[int, ...]) -> Split:
    pixels: Tensor = torch.zeros((), dtype=torch.uint8).expand(count, *input_shape)
    return Split(pixels, torch.arange(count) % outputs)

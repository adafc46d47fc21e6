"""A data set of tokens: the next one is what is learned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from growsearch.data.dataset import DataSet, Split
from growsearch.data.windows import consecutive_windows, training_windows
from growsearch.errors import DataError
from growsearch.tasks import Language


def divided(tokens: Tensor, validation: float, test: float) -> dict[str, Tensor]:
    """Return a stream by split: its first part, and the shares behind it for validation (0: none) and, last, test."""
    held_out, tested = round(validation * len(tokens)), round(test * len(tokens))
    kept = max(0, len(tokens) - held_out - tested)
    parts = {"train": tokens[:kept], "validation": tokens[kept : kept + held_out], "test": tokens[kept + held_out :]}
    return {split: part for split, part in parts.items() if split != "validation" or validation}


def language(
    name: str,
    parts: Mapping[str, Tensor],
    outputs: int,
    context: int,
    unit: Literal["byte", "character"],
    content: bytes,
) -> DataSet:
    """Return the data set of streams of tokens, in windows of `context`.

    Args:
        name: of the data set.
        parts: int64 `[tokens]` by split, validation only where there is some.
        outputs: number of different tokens.
        context: tokens that a network sees at once.
        unit: what a token is.
        content: of the text, for its checksum.

    Raises:
        DataError: a part is too short for one window.
    """
    train = training_windows(parts["train"], context)
    others = {split: consecutive_windows(parts[split], context) for split in parts if split != "train"}
    splits: dict[str, Split] = {"train": train, **others}
    if not all(map(len, splits.values())):
        found = ", ".join(f"{len(each)} for {split}" for split, each in splits.items())
        raise DataError(
            f"data {name!r}: {sum(map(len, parts.values())):,} tokens give windows of {context} tokens: {found}: give "
            "more text, a smaller data.context, or other shares"
        )
    return DataSet(
        name=name,
        train=train,
        validation=splits.get("validation"),
        test=splits["test"],
        outputs=outputs,
        task=Language(unit=unit),
        mean=(),
        std=(),
        input_shape=(context,),
        input_dtype=torch.int64,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def byte_tokens(content: bytes) -> Tensor:
    """Return bytes as int64 tokens."""
    return torch.from_numpy(np.frombuffer(content, np.uint8).astype(np.int64))

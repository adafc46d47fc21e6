"""What an entry of the catalogue is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Inputs = Callable[[], Any]


@dataclass(frozen=True)
class Architecture:
    """How to build one network, untrained, and what to feed it.

    `build` runs after the random generators were seeded. `inputs` draws example inputs, as `growsearch.trace` takes
    them, anew at every call. `source` is the library that it is from, `family` what kind of network it is.
    """

    name: str
    source: str
    family: str
    build: Callable[[], nn.Module] = field(repr=False)
    inputs: Inputs = field(repr=False)


def images(size: int = 64, channels: int = 3, batch: int = 2) -> Inputs:
    return lambda: torch.randn(batch, channels, size, size)


def floats(*shape: int) -> Inputs:
    return lambda: torch.randn(shape)


def tokens(vocabulary: int = 50, length: int = 7, batch: int = 2) -> Tensor:
    return torch.randint(2, vocabulary, (batch, length))

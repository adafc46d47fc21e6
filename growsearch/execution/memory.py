"""Errors of memory that there is too little of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from growsearch.errors import InputError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says so; torch has no class of its own for it on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


@contextmanager
def enough_to_set_up() -> Iterator[None]:
    """Where a network is set up to be looked at; `InputError` where there is too little memory for it."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"there is too little memory to set it up ({first}): make the network smaller") from error

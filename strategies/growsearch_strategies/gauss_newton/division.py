"""Which batches are for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def divided(batches: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Batches to learn from and batches to judge on; the last is held out from both.

    Of the others the first half, at least one, is to learn from. A single batch does everything, one of two does both.
    """
    rest = batches[:-1] if len(batches) > 1 else batches
    half = len(rest) // 2
    return (rest[:half], rest[half:]) if half else (rest, rest)

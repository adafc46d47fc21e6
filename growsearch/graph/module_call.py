"""One call of a module that calls others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModuleCall:
    """`path` is the module's; `input` and `output` are the calls that made its first input and first output tensor.

    Either is None where there is no such tensor, or where no recorded call made it.
    """

    path: str
    input: str | None
    output: str | None
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None

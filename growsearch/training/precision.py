"""Where training computes, and in which number format."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch

from growsearch.errors import InputError

SMALLEST_IMAGE = 32 * 32


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, otherwise the CPU; raises `InputError` where the device is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}: allowed are auto, cpu, cuda and cuda:N") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device was found: use --device cpu, or auto")
    if resolved.type not in ("cpu", "cuda"):
        raise InputError(f"unknown device {device!r}: allowed are auto, cpu, cuda and cuda:N")
    return resolved


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 matrices itself (emulation is slower than float32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def resolve_precision(precision: str, device: torch.device, input_shape: tuple[int, ...]) -> torch.dtype:
    """The format of the matrix products.

    `auto` is bfloat16 for images of at least 32 x 32 pixels on hardware that has it, otherwise float32. The rule
    looks at the data alone, so that all policies of a comparison get the same format.
    """
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16":
        return torch.bfloat16
    if precision != "auto":
        raise InputError(f"unknown precision {precision!r}: allowed are auto, float32 and bfloat16")
    worthwhile = len(input_shape) == 3 and math.prod(input_shape[1:]) >= SMALLEST_IMAGE
    return torch.bfloat16 if worthwhile and has_bfloat16(device) else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """A reusable context in which matrix products are computed in `dtype`."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)

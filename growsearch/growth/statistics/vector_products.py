"""Gradients of several tensors at once, each times its own vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def vector_products(
    outputs: Sequence[Tensor], inputs: Sequence[Any], vectors: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Return the sum over `outputs` of vector times Jacobian at each of `inputs`, or None where none depends on one.

    `inputs`: tensors or gradient edges. As `torch.autograd.grad(outputs, inputs, vectors, allow_unused=True)`, bit for
    bit, which imports sympy to compare shapes: longer than many a growth takes.
    """
    if not outputs:
        return (None,) * len(inputs)
    with torch.enable_grad():
        total = torch.stack([(out * vector).sum() for out, vector in zip(outputs, vectors, strict=True)]).sum()
    return torch.autograd.grad(total, inputs, allow_unused=True)

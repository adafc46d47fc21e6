"""Tensors that are not plain ones: sparse, nested, quantised, of a class of their own, or wrapped by `torch.func`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The sizes of all axes; none for a nested tensor, whose rows differ."""
    return () if tensor.is_nested else tuple(tensor.shape)


def peculiarity(tensor: Tensor) -> str:
    """What keeps a parameter or buffer from being cut and extended like a plain one; empty where nothing does."""
    if tensor.is_nested:
        return "nested"
    if tensor.layout != torch.strided:
        return "sparse"
    if tensor.is_quantized:
        return "quantised"
    return "" if type(tensor) in (Tensor, nn.Parameter) else f"a {type(tensor).__name__}"


def memory_of(tensor: Tensor) -> int:
    """Identity of a tensor's memory while it lives: that of its storage or, where it has none, of the object.

    What `torch.vmap` and `torch.func` hand to a function wraps a tensor and shares its memory.
    """
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    try:
        return int(tensor.untyped_storage()._cdata)
    except NotImplementedError:  # sparse and opaque tensors
        return id(tensor)


def density(tensor: Tensor) -> float:
    """The share of elements that a sparse tensor stores; 1 for others."""
    if tensor.layout == torch.strided or tensor.is_nested or not tensor.numel():
        return 1.0
    return float(tensor._nnz()) / tensor.numel()

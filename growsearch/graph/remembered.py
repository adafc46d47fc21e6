"""Sizes that normalisations remember without having tensors of these sizes."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def attribute_of(module: nn.Module) -> str | None:
    """Where a normalisation keeps its size; None for other modules."""
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return "normalized_shape"
    if isinstance(module, nn.GroupNorm):
        return "num_channels"
    return "num_features" if isinstance(module, _NormBase) else None


def remembered(module: nn.Module) -> tuple[int, ...] | None:
    """The sizes of a normalisation without tensors (no affine parameters, no statistics); None for other modules."""
    name = attribute_of(module)
    if name is None or any(tensor.ndim for tensor in (*module.parameters(False), *module.buffers(False))):
        return None
    sizes = getattr(module, name)
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


def remembered_sizes(model: nn.Module) -> dict[str, list[int]]:
    """By path, the sizes of all such modules: what neither a `state_dict` nor insertions tell of a network."""
    found = {path: remembered(module) for path, module in model.named_modules()}
    return {path: list(sizes) for path, sizes in found.items() if sizes is not None}

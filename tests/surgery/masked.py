"""Networks with masks, for the tests of masks and of compacting."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.surgery import (
    MaskEdit,
    apply_edits,
)


def positions(tensor: Tensor, share: float, seed: int = 0) -> Tensor:
    draw = torch.rand(tensor.numel(), generator=torch.Generator().manual_seed(seed))
    return (draw < share).nonzero().flatten()


def sparsify(model: nn.Module, share: float = 0.5, optimizer: Optimizer | None = None, **rest: object) -> nn.Module:
    """Prune a share of every weight's connections."""
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    edits = [MaskEdit(name, prune=positions(p, share, i)) for i, (name, p) in enumerate(weights.items())]
    apply_edits(model, edits, optimizer, **rest)  # type: ignore[arg-type]  # companions
    return model

"""Gradients at the output whose second moment is the curvature of the loss: rank-1 Gauss-Newton by sampling."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

Targets = Literal["auto", "classes", "numbers"]


def sampled_gradient(loss: Tensor, output: Tensor, batch: Any, targets: Targets, generator: torch.Generator) -> Tensor:
    """A random `s`, shaped like `output`, whose second moment is the Hessian of each sample's loss by the output.

    Classes: softmax(output) - onehot(label), the label drawn from the softmax; where a sample has several positions
    (segmentation, language), each draws its own, and the result is divided by the root of their number. The loss is
    taken to be the cross-entropy, whatever regularises it. Numbers: a Gaussian residual, as wide as the root of the
    objective's own second derivative, taken to be diagonal over the outputs: exact for squared errors of any scale.

    Args:
        loss: of the batch.
        output: of the network.
        batch: one.
        targets: what the network predicts.
        generator: that labels are drawn from.
    """
    axis = _class_axis(output, batch, targets)
    if axis is not None:
        scores = output.detach().movedim(axis, -1)
        probabilities = scores.float().softmax(-1)
        flat = probabilities.reshape(-1, scores.shape[-1])
        labels = torch.multinomial(flat.cpu(), 1, generator=generator).to(flat.device)
        residual = flat.scatter_add(1, labels, flat.new_full(labels.shape, -1.0)).reshape(scores.shape)
        positions = labels.numel() // len(output)
        sampled: Tensor = (residual / positions**0.5).movedim(-1, axis).to(output)
        return sampled
    (slope,) = torch.autograd.grad(loss, output, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(output)
    (curvature,) = torch.autograd.grad(slope.sum(), output, retain_graph=True)
    width: Tensor = (curvature * len(output)).clamp_min(0).sqrt()
    drawn: Tensor = width * torch.randn(output.shape, generator=generator).to(width)
    return drawn


def _class_axis(output: Tensor, batch: Any, targets: Targets) -> int | None:
    """The axis of the classes; None where the targets are numbers."""
    if targets == "numbers" or output.ndim < 2:
        return None
    shapes = [
        tuple(leaf.shape)
        for leaf in tree_leaves(batch)
        if isinstance(leaf, Tensor) and leaf.dtype in (torch.int64, torch.int32, torch.int16, torch.uint8)
    ]
    if (*output.shape[:1], *output.shape[2:]) in shapes:
        return 1
    if tuple(output.shape[:-1]) in shapes:
        return -1
    return 1 if targets == "classes" else None

"""Activations by name, and a ReLU that lets a gradient through at zero."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "relu1", "gelu", "silu", "tanh", "sigmoid"]


class ReLU1(nn.Module):
    """ReLU whose derivative at 0 is 1, so that units which start at zero learn (`nn.ReLU` has 0 there).

    One comparison against the largest negative normal number does it: 0 counts as positive. (`clamp(min=0)` will not
    do: its derivative at 0 is 1 in some versions of torch and 0 in others.)

    Source: Evci et al., "GradMax: Growing Neural Networks using Gradient Information", ICLR 2022, section 3.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """`max(inputs, 0)`, of the same shape."""
        return torch.threshold(inputs, -torch.finfo(inputs.dtype).tiny, 0.0)


_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu1": ReLU1,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation_module(name: Activation) -> nn.Module:
    """A new module for the activation called `name`."""
    return _MODULES[name]()

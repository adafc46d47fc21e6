"""Random values in every parameter and running statistic.

A zero-initialised head or a layer scale of 1e-6 would hide what growth does to the function.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STATISTICS = {"running_mean": (-0.5, 0.5), "running_var": (0.5, 2.0)}
SCALES = ("weight", "gamma", "scale", "alpha")


def randomise(model: nn.Module) -> None:
    """Draw every floating-point parameter and every running statistic of `model`, once where it is shared."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.is_floating_point() and parameter.numel():
                parameter.copy_(_drawn(name.rpartition(".")[2], parameter))
        for name, buffer in model.named_buffers():
            bounds = STATISTICS.get(name.rpartition(".")[2])
            if bounds is not None:
                buffer.uniform_(*bounds)


def _drawn(name: str, parameter: Tensor) -> Tensor:
    """Matrices and filters keep the scale of what they read; scales are near one; everything else is near zero."""
    if parameter.ndim < 2 and name.endswith(SCALES):
        return torch.rand(parameter.shape).to(parameter) + 0.5
    std = parameter[0].numel() ** -0.5 if parameter.ndim >= 2 and name.endswith("weight") else 0.2
    return torch.randn(parameter.shape).to(parameter) * std

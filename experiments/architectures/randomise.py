"""Random values in every parameter and running statistic.

A zero-initialised head or a layer scale of 1e-6 would hide what growth does to the function; activations that explode
from layer to layer would let rounding alone change it. So running statistics are random around those of the inputs.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .outputs import answer_of

SCALES = ("weight", "gamma", "scale", "alpha")


def randomise(model: nn.Module, inputs: Any) -> None:
    """Draw every floating-point parameter of `model`, once where it is shared, and every running statistic."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.is_floating_point() and parameter.numel():
                parameter.copy_(_drawn(name.rpartition(".")[2], parameter))
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
        _take_statistics(model, norms, inputs)
        for norm in norms:
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_var.copy_(norm.running_var.mean() * (0.5 + 1.5 * torch.rand(norm.running_var.shape)))
            norm.running_mean.add_(0.3 * torch.randn(norm.running_mean.shape).to(norm.running_mean))


def _drawn(name: str, parameter: Tensor) -> Tensor:
    """Matrices and filters keep the scale of what they read; scales are near one; everything else is near zero."""
    if parameter.ndim < 2 and name.endswith(SCALES):
        return torch.rand(parameter.shape).to(parameter) + 0.5
    std = parameter[0].numel() ** -0.5 if parameter.ndim >= 2 and name.endswith("weight") else 0.2
    return torch.randn(parameter.shape).to(parameter) * std


def _take_statistics(model: nn.Module, norms: list[_BatchNorm], inputs: Any) -> None:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with suppress(RuntimeError, ValueError, TypeError, AssertionError):  # where it does not train on these inputs
        answer_of(model.train(), copy.deepcopy(inputs))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()

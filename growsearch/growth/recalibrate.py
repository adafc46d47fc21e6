"""Running statistics of new batch-normalisation channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.surgery import AxisEdit, Edit, outputs_of, undisturbed
from growsearch.surgery.plan import companion_prefix

Norm = nn.modules.batchnorm._BatchNorm


def recalibrate(
    model: nn.Module,
    edits: Sequence[Edit],
    example_inputs: Any,
    objective: Callable[[nn.Module, Any], Tensor] | None,
    batches: Sequence[Any],
    companions: Sequence[nn.Module] = (),
) -> None:
    """Set mean and variance of the new channels of every batch normalisation to those of the data.

    New channels start with mean 0 and variance 1, whatever their weights: in eval mode they would be on another scale
    than in train mode until the running averages have caught up. Channels that are constant keep the variance 1. The
    new channels of `companions` take the same.
    """
    fresh = _fresh_channels(model, edits)
    if not fresh:
        return
    found: dict[Norm, tuple[Tensor, Tensor]] = {}

    def observe(layer: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(layer, Norm)
        x = args[0].detach().float().movedim(1, 0).flatten(1)
        if x.shape[1] > 1:
            found[layer] = (x.mean(1), x.var(1))

    handles = [layer.register_forward_pre_hook(observe) for layer in fresh]
    try:
        _run(model, example_inputs, objective, batches)
    finally:
        for handle in handles:
            handle.remove()
    for layer, positions in fresh.items():
        if layer in found and layer.running_mean is not None and layer.running_var is not None:
            mean, variance = (value[positions] for value in found[layer])
            moving = variance > layer.eps
            layer.running_mean[positions] = torch.where(moving, mean, 0.0).to(layer.running_mean)
            layer.running_var[positions] = torch.where(moving, variance, 1.0).to(layer.running_var)
            for companion in companions:
                _follow(companion, model, layer, positions)


def _follow(companion: nn.Module, model: nn.Module, layer: Norm, positions: Tensor) -> None:
    path = next(name for name, module in model.named_modules() if module is layer)
    own = companion.get_submodule(companion_prefix(companion, model) + path)
    for name in ("running_mean", "running_var"):
        target, source = getattr(own, name), getattr(layer, name)
        places = positions.to(target.device)
        target[places] = source[positions].to(target)


def _fresh_channels(model: nn.Module, edits: Sequence[Edit]) -> dict[Norm, Tensor]:
    fresh: dict[Norm, Tensor] = {}
    for edit in edits:
        if not isinstance(edit, AxisEdit) or not edit.tensor.endswith("running_mean"):
            continue
        layer = model.get_submodule(edit.tensor.rpartition(".")[0])
        positions = [place for place, old in enumerate(edit.source) if old < 0]
        if isinstance(layer, Norm) and positions and layer.running_mean is not None:
            index = torch.tensor(positions, device=layer.running_mean.device)
            fresh[layer] = index
    return fresh


def _run(
    model: nn.Module,
    example_inputs: Any,
    objective: Callable[[nn.Module, Any], Tensor] | None,
    batches: Sequence[Any],
) -> None:
    if objective is None or not batches:
        try:
            outputs_of(model, example_inputs, training=True)
        except ValueError:
            # A single example has no statistics.
            return
        return
    with undisturbed(model), torch.no_grad():
        model.train()
        objective(model, batches[0])

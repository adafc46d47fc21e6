"""Normalisations: per channel (batch, instance) they follow, over channels (layer, group, RMS) they mix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from growsearch.graph.batch_statistics import by_batch, normalised, slope_at_zero
from growsearch.graph.call import Call
from growsearch.graph.own_norms import own_rms_norm
from growsearch.graph.path import Path
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Unsupported, tie


def _slope(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    z, slope = values[0], slope_at_zero(path.model, call)
    if not by_batch(path.model, call):
        return z * slope
    if z.ndim == 1:
        # A pair of coefficients, of all that passes and of its mean: from here on all of it is without its mean.
        return torch.stack([z[0], z[0]]) * slope
    return (z - z.mean([d for d in range(z.ndim) if d != 1], keepdim=True)) * slope


def _respond(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    return normalised(path.model, call, values[0])


@rule(
    "batch_norm",
    linearise=_slope,
    respond=_respond,
    scalar=True,
    per_unit=True,
    drawn_as="label",
    modules=(_NormBase,),
)
def _batch_module(step: Step) -> list[Value]:
    names = ("running_mean", "running_var", "weight", "bias")
    return _per_channel(step, step.input, [step.parameter(name) for name in names], channel=1)


@rule("batch_norm", functions="batch_norm")
def _batch_function(step: Step) -> list[Value]:
    return _per_channel(step, step.tensor_argument(0, "input"), _statistics(step), channel=1)


@rule("instance_norm", per_unit=True, drawn_as="label", modules=(_InstanceNorm,))
def _instance_module(step: Step) -> list[Value]:
    dims = int(type(step.module).__name__.removesuffix("d")[-1])
    names = ("running_mean", "running_var", "weight", "bias")
    channel = step.input.rank - dims - 1
    return _per_channel(step, step.input, [step.parameter(name) for name in names], channel)


@rule("instance_norm", functions="instance_norm")
def _instance_function(step: Step) -> list[Value]:
    return _per_channel(step, step.tensor_argument(0, "input"), _statistics(step), channel=1)


def _statistics(step: Step) -> list[Value | None]:
    names = ("running_mean", "running_var", "weight", "bias")
    return [step.value(step.argument(position, name)) for position, name in enumerate(names, start=1)]


def _per_channel(step: Step, x: Value, tensors: list[Value | None], channel: int) -> list[Value]:
    """`tensors`: running mean and variance, scale and shift, each [C] or None."""
    channels = x.axes[channel]
    mean, variance, scale, shift = tensors
    step.follow(mean, 0, channels, "mean")
    step.follow(variance, 0, channels, "variance")
    step.follow(scale, 0, channels, "scale")
    step.follow(shift, 0, channels, "shift")
    for axis, pieces in enumerate(x.axes):
        if axis != channel:
            step.freeze(pieces, "normalised over")
    return step.output(x.axes)


@rule("layer_norm", drawn_as="label", modules=(nn.LayerNorm, nn.RMSNorm))
def _layer_module(step: Step) -> list[Value]:
    own = own_rms_norm(step.module) if step.module is not None else None
    if own is not None:
        if len(step.inputs) != 1:
            raise Unsupported("several inputs of a normalisation")
        return _over_last(step, step.input, 1, step.parameter(own.weight), None)
    shape = getattr(step.module, "normalized_shape", ())
    return _over_last(step, step.input, shape, step.parameter("weight"), step.parameter("bias"))


@rule("layer_norm", functions="layer_norm rms_norm")
def _layer_function(step: Step) -> list[Value]:
    weight, bias = step.value(step.argument(2, "weight")), None
    if step.call.target == "layer_norm":
        bias = step.value(step.argument(3, "bias"))
    return _over_last(step, step.tensor_argument(0, "input"), step.argument(1, "normalized_shape"), weight, bias)


def _over_last(step: Step, x: Value, shape: Any, scale: Value | None, shift: Value | None) -> list[Value]:
    axes = 1 if isinstance(shape, int) else len(shape)
    for number, pieces in enumerate(x.axes[x.rank - axes :]):
        step.mix(pieces)
        step.follow(scale, number, pieces, "scale")
        step.follow(shift, number, pieces, "shift")
    return step.output(x.axes)


@rule("group_norm", drawn_as="label", modules=(nn.GroupNorm,))
def _group_module(step: Step) -> list[Value]:
    return _over_groups(step, getattr(step.module, "num_groups", 0), step.parameter("weight"), step.parameter("bias"))


@rule("group_norm", functions="group_norm")
def _group_function(step: Step) -> list[Value]:
    weight, bias = step.value(step.argument(2, "weight")), step.value(step.argument(3, "bias"))
    return _over_groups(step, step.argument(1, "num_groups"), weight, bias)


def _over_groups(step: Step, groups: int, scale: Value | None, shift: Value | None) -> list[Value]:
    x = step.input
    if not groups:
        raise Unsupported("no number of groups")
    channels = x.axes[1]
    tie(channels, groups)
    step.mix(channels)
    step.follow(scale, 0, channels, "scale")
    step.follow(shift, 0, channels, "shift")
    return step.output(x.axes)

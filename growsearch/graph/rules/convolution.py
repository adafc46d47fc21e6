"""Convolutions: plain, grouped, depthwise and transposed, as modules and as functions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from growsearch.graph.call import Call
from growsearch.graph.filters import delta_filters
from growsearch.graph.path import Path
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, Unsupported, tie, width


def _each_channel(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    layer = path.model.get_submodule(call.target)
    if not isinstance(layer, nn.Conv2d) or layer.in_channels != layer.out_channels or layer.padding_mode != "zeros":
        raise path.refusal(call)
    z = values[0]
    kernel = delta_filters(z, z.shape[1], layer.kernel_size)
    return F.conv2d(z, kernel, None, layer.stride, layer.padding, layer.dilation, z.shape[1])


@rule("convolution", linearise=_each_channel, per_unit=True, modules=(_ConvNd,))
def _module(step: Step) -> list[Value]:
    layer = step.module
    if not isinstance(layer, _ConvNd):
        raise Unsupported("not a convolution")
    weight = step.parameter("weight")
    if weight is None:
        raise Unsupported("no weight")
    return _convolve(step, step.input, weight, step.parameter("bias"), layer.groups, layer.transposed)


@rule("convolution", functions="conv1d conv2d conv3d")
def _function(step: Step) -> list[Value]:
    return _from_arguments(step, groups_at=6, transposed=False)


@rule("convolution", functions="conv_transpose1d conv_transpose2d conv_transpose3d")
def _transposed_function(step: Step) -> list[Value]:
    return _from_arguments(step, groups_at=6, transposed=True)


def _from_arguments(step: Step, groups_at: int, transposed: bool) -> list[Value]:
    groups = step.argument(groups_at, "groups", 1)
    bias = step.value(step.argument(2, "bias"))
    x, weight = step.tensor_argument(0, "input"), step.tensor_argument(1, "weight")
    return _convolve(step, x, weight, bias, groups, transposed)


def _convolve(step: Step, x: Value, weight: Value, bias: Value | None, groups: int, transposed: bool) -> list[Value]:
    """Weight: [out, in / groups, *kernel], transposed [in, out / groups, *kernel]."""
    spatial = weight.rank - 2
    channel = x.rank - spatial - 1
    inputs = x.axes[channel]
    for kernel in weight.axes[2:]:
        step.freeze(kernel, "used as kernel axis")
    for position in x.axes[channel + 1 :]:
        step.freeze(position, "convolved over")
    if groups > 1 and groups == x.shape[channel]:
        outputs = _depthwise(step, weight, inputs, transposed)
    else:
        outputs = _grouped(step, weight, inputs, groups, transposed)
    step.follow(bias, 0, outputs, "bias")
    result = (*x.axes[:channel], outputs, *step.fixed(step.shapes[0][channel + 1 :], "positions"))
    step.cost(2, *(x.axes if transposed else result), *weight.axes[1:])
    return step.output(result)


def _depthwise(step: Step, weight: Value, inputs: Space, transposed: bool) -> Space:
    """Every channel has its own `multiplier` outputs: weight [C * multiplier, 1] or, transposed, [C, multiplier]."""
    per_channel = weight.shape[1] if transposed else weight.shape[0] // width(inputs)
    outputs = tuple((block, repeat * per_channel) for block, repeat in inputs)
    step.freeze(weight.axes[1], "used as depthwise axis")
    step.follow(weight, 0, inputs if transposed else outputs, "depthwise")
    return outputs


def _grouped(step: Step, weight: Value, inputs: Space, groups: int, transposed: bool) -> Space:
    if transposed:
        tie(inputs, groups)
        step.consume(weight, 0, inputs)
        outputs = weight.axes[1] * groups
        step.produce(weight, 1, outputs)
    else:
        outputs = weight.axes[0]
        tie(outputs, groups)
        step.consume(weight, 1, tie(inputs, groups))
        step.produce(weight, 0, outputs)
    return outputs

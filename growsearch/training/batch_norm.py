"""Batch normalisation over the batch of all processes, on any device.

`torch.nn.SyncBatchNorm` does this on GPUs only, as a module in the network's place, which waits for the other processes
whenever it runs: a growth event runs the network in one of them. Here the network stays as it is, and what it calls in
a training step is computed otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a network has a layer of batch normalisation."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


class GlobalBatchNorm(TorchFunctionMode):
    """Inside, batch normalisation in training takes its statistics over the batches of all processes together.

    They are the mean and variance of one process on the global batch, with its gradients (Ioffe and Szegedy, ICML
    2015), whatever the shares are; running statistics follow them. All processes have to run the same layers.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute a call of `func` (see `TorchFunctionMode`).

        Args:
            func: that is called.
            types: of its tensors.
            args: of the call.
            kwargs: of the call.
        """
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm`, whose arguments these are."""
    if not training:
        with torch._C.DisableTorchFunction():
            return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    with torch._C.DisableTorchFunction():
        count, mean, variance = _statistics(input.detach())
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * (count / (count - 1))).to(running_var), momentum)
        normalised: Tensor = _Normalise.apply(input, mean, (variance + eps).rsqrt(), count)
        shape = _per_channel(input)
        if weight is not None:
            normalised = normalised * weight.view(shape)
        return (normalised if bias is None else normalised + bias.view(shape)).to(input.dtype)


def _statistics(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How many values a channel has in all processes `[]`, their mean `[C]` and variance `[C]` (divided by the count).

    From the mean and variance of every process, as Chan, Golub and LeVeque put them together (1983).
    """
    axes = _all_but_channels(inputs)
    own = inputs.numel() // inputs.shape[1]
    wide = _wide(inputs)
    if own:
        variance, mean = torch.var_mean(wide, axes, correction=0)
    else:
        variance = mean = wide.new_zeros(inputs.shape[1])
    mine = torch.stack([wide.new_full(mean.shape, own), mean, variance])
    found = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(found, mine)
    counts, means, variances = torch.stack(found).unbind(1)
    total = counts[:, 0].sum()
    if own <= 1 and total <= 1:  # as `F.batch_norm` does; otherwise nothing waits for the device
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {inputs.shape}")
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return total, mean, variance


class _Normalise(torch.autograd.Function):
    """`(inputs - mean) * scale`, where mean and scale depend on the inputs of all processes."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, mean: Tensor, scale: Tensor, count: Tensor) -> Tensor:
        """Normalise.

        Args:
            ctx: of autograd.
            inputs: `[N, C, ...]`.
            mean: `[C]`.
            scale: `[C]`, one over the standard deviation.
            count: values of a channel in all processes, `[]`.
        """
        shape = _per_channel(inputs)
        normalised = (_wide(inputs) - mean.view(shape)) * scale.view(shape)
        ctx.save_for_backward(normalised, scale, count)
        ctx.dtype = inputs.dtype
        return normalised

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of the losses of all processes together."""
        normalised, scale, count = ctx.saved_tensors
        axes, shape = _all_but_channels(gradient), _per_channel(gradient)
        sums = torch.stack([gradient.sum(axes), (gradient * normalised).sum(axes)])
        dist.all_reduce(sums)
        along, across = (sums / count).unbind()
        found = (gradient - along.view(shape) - normalised * across.view(shape)) * scale.view(shape)
        return found.to(ctx.dtype), None, None, None


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _all_but_channels(tensor: Tensor) -> list[int]:
    return [axis for axis in range(tensor.ndim) if axis != 1]


def _per_channel(tensor: Tensor) -> tuple[int, ...]:
    return 1, -1, *[1] * (tensor.ndim - 2)

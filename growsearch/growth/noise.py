"""Running a network with noise that does not depend on its widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from growsearch.graph.compiler import spare_compiler

_aten = torch.ops.aten
_FILLS = (
    *(_aten.normal_, _aten.uniform_, _aten.exponential_, _aten.cauchy_, _aten.geometric_, _aten.log_normal_),
    _aten.random_,
)
_LIKE = (_aten.rand_like, _aten.randn_like, _aten.randint_like)
_SIZED = (_aten.rand, _aten.randn, _aten.randint, _aten.normal)
_BERNOULLI = (_aten.bernoulli, _aten.bernoulli_)
_LEAKS = (_aten.rrelu_with_noise, _aten.rrelu_with_noise_)


_DRAWN = 64
"""Numbers drawn at a call, whatever the shape: sample `i` gets number `i % 64`."""


class SteadyNoise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context in which random tensors hold one number for each place on their first axis, drawn anew at each call.

    A network that draws noise as wide as a layer draws other numbers for its old channels once that layer has grown:
    its function for given noise cannot be compared before and after. With one number a sample, however wide, it can be.
    The first sample gets the smallest number and the second the largest: whichever way a mask is made of them, some
    sample is kept, without which there would be nothing to compare. Dropout does nothing, and RReLU takes its mean
    slope.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet in _FILLS:
            return args[0].copy_(_per_sample(args[0].shape, func(args[0].new_empty(_DRAWN), *args[1:], **kwargs)))
        if packet in _LIKE:
            return _per_sample(args[0].shape, func(args[0].new_empty(_DRAWN), *args[1:], **kwargs))
        if packet in _SIZED and (position := _size_argument(func)) is not None and position < len(args):
            return _per_sample(args[position], func(*args[:position], [_DRAWN], *args[position + 1 :], **kwargs))
        if packet is _aten.normal and any(isinstance(argument, Tensor) for argument in args):
            return _normal(*args, **kwargs)
        if packet in _BERNOULLI:
            return _bernoulli(packet, *args, **kwargs)
        if packet is _aten.native_dropout:
            return args[0].clone(), torch.ones_like(args[0], dtype=torch.bool)
        if packet in _LEAKS:
            return func(*args[:4], False, *args[5:], **kwargs)
        return func(*args, **kwargs)


spare_compiler(SteadyNoise.__torch_dispatch__)


def _per_sample(shape: Sequence[int], numbers: Tensor) -> Tensor:
    """A tensor of `shape` with one of the numbers for each place on its first axis: the extremes, then the others."""
    numbers = numbers.clone()
    for index, extreme in ((0, int(numbers.argmin())), (1, int(numbers.argmax()))):
        numbers[[index, extreme]] = numbers[[extreme, index]]
    samples = shape[0] if len(shape) else 1
    chosen = numbers[torch.arange(samples, device=numbers.device) % _DRAWN]
    column = chosen.reshape(samples, *[1] * (len(shape) - 1)) if len(shape) else chosen[0]
    return column.expand(shape).clone(memory_format=torch.contiguous_format)


def _size_argument(func: Any) -> int | None:
    names = [argument.name for argument in func._schema.arguments]
    return names.index("size") if "size" in names else None


def _normal(mean: Tensor | float, std: Tensor | float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    like = mean if isinstance(mean, Tensor) else std
    assert isinstance(like, Tensor)
    numbers = torch.randn(_DRAWN, generator=generator, dtype=like.dtype, device=like.device)
    return mean + std * _per_sample(like.shape, numbers)


def _bernoulli(
    packet: Callable[..., Any], x: Tensor, p: Tensor | float | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """`bernoulli(x)` takes its probabilities from `x`, all other forms from `p`."""
    numbers = _per_sample(x.shape, torch.rand(_DRAWN, generator=generator, device=x.device))
    values = (numbers < (x if p is None else p)).to(x.dtype)
    return x.copy_(values) if packet is _aten.bernoulli_ else values

"""Running a network with noise that does not depend on its widths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_FILLS = (
    *(_aten.normal_, _aten.uniform_, _aten.exponential_, _aten.cauchy_, _aten.geometric_, _aten.log_normal_),
    _aten.random_,
)
_LIKE = (_aten.rand_like, _aten.randn_like, _aten.randint_like)
_SIZED = (_aten.rand, _aten.randn, _aten.randint, _aten.normal)
_BERNOULLI = (_aten.bernoulli, _aten.bernoulli_)
_LEAKS = (_aten.rrelu_with_noise, _aten.rrelu_with_noise_)


class SteadyNoise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context in which every random tensor holds one number, drawn anew at each call.

    A network that draws noise as wide as a layer draws other numbers for its old channels once that layer has grown:
    its function for given noise cannot be compared before and after. With one number a call, whatever the shape, it can
    be. Dropout does nothing, and RReLU takes its mean slope.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet in _FILLS:
            return args[0].fill_(func(args[0].new_empty(()), *args[1:], **kwargs))
        if packet in _LIKE:
            return _filled(args[0].shape, func(args[0].new_empty(()), *args[1:], **kwargs))
        if packet in _SIZED and (place := _size_argument(func)) is not None and place < len(args):
            return _filled(args[place], func(*args[:place], [], *args[place + 1 :], **kwargs))
        if packet is _aten.normal and any(isinstance(argument, Tensor) for argument in args):
            return _normal(*args, **kwargs)
        if packet in _BERNOULLI:
            return _bernoulli(packet, *args, **kwargs)
        if packet is _aten.native_dropout:
            return args[0].clone(), torch.ones_like(args[0], dtype=torch.bool)
        if packet in _LEAKS:
            return func(*args[:4], False, *args[5:], **kwargs)
        return func(*args, **kwargs)


def _filled(shape: torch.Size, number: Tensor) -> Tensor:
    return number.expand(shape).clone(memory_format=torch.contiguous_format)


def _size_argument(func: Any) -> int | None:
    names = [argument.name for argument in func._schema.arguments]
    return names.index("size") if "size" in names else None


def _normal(mean: Tensor | float, std: Tensor | float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    like = mean if isinstance(mean, Tensor) else std
    assert isinstance(like, Tensor)
    number = torch.randn((), generator=generator, dtype=like.dtype, device=like.device)
    return mean + std * number


def _bernoulli(
    packet: Callable[..., Any], x: Tensor, p: Tensor | float | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """`bernoulli(x)` takes its probabilities from `x`, all other forms from `p`."""
    found = torch.rand((), generator=generator, device=x.device) < (x if p is None else p)
    values = found.expand(x.shape).to(x.dtype)
    return x.copy_(values) if packet is _aten.bernoulli_ else values.clone()

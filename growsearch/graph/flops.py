"""What an operation costs in FLOPs, as `torch.utils.flop_counter` says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._C import DispatchKey, _dispatch_has_kernel_for_dispatch_key
from torch._ops import OpOverload

Formula = Callable[..., int]
"""Called with an operation's arguments, and its output as `out_val`."""

_COUNTER = "torch.utils.flop_counter"
_aten = torch.ops.aten
_COUNTED = ("mm", "conv", "attention", "attn")
"""Parts of the names of torch's operations that count; an operation of the user's counts where it was registered."""


def formula_of(func: Any) -> Formula | None:
    """How to count an operation; None where it does not count.

    Matrix products and convolutions have their formula here, which takes less time than the operation itself. The
    others are looked up in torch's registry, which imports triton: only for what may be in it.
    """
    packet = func._overloadpacket if isinstance(func, OpOverload) else func
    return _own().get(packet) or (_registered(packet) if _may_be_registered(packet) else None)


@cache
def is_composite(func: Any) -> bool:
    """Whether an operation without a formula is made of others: seen in inference mode only."""
    if not isinstance(func, OpOverload) or formula_of(func) is not None:
        return False
    name: str = func.name()  # type: ignore[no-untyped-call]
    return _dispatch_has_kernel_for_dispatch_key(name, DispatchKey.CompositeImplicitAutograd)


def _may_be_registered(packet: Any) -> bool:
    return _COUNTER in sys.modules or _counted_by_name(packet)


@cache
def _counted_by_name(packet: Any) -> bool:
    return any(part in str(packet) for part in _COUNTED)


def _registered(packet: Any) -> Formula | None:
    from torch.utils.flop_counter import flop_registry

    return flop_registry.get(packet) or flop_registry.get(_elsewhere().get(packet))


@cache
def _elsewhere() -> dict[Any, Any]:
    """Attention on the CPU, which torch counts from 2.8 on, and the same on GPUs."""
    forward, backward = "_scaled_dot_product_flash_attention", "_backward"
    return {getattr(_aten, f"{forward}_for_cpu{kind}"): getattr(_aten, f"{forward}{kind}") for kind in ("", backward)}


@cache
def _own() -> dict[Any, Formula]:
    return {
        _aten.mm: _mm,
        _aten.addmm: _addmm,
        _aten.bmm: _bmm,
        _aten.baddbmm: _baddbmm,
        _aten.convolution: _convolution,
        _aten.convolution_backward: _convolution_backward,
    }


def _mm(a: Tensor, b: Tensor, **kwargs: Any) -> int:
    return 2 * a.shape[0] * a.shape[1] * b.shape[1]


def _addmm(added: Tensor, a: Tensor, b: Tensor, **kwargs: Any) -> int:
    return _mm(a, b)


def _bmm(a: Tensor, b: Tensor, **kwargs: Any) -> int:
    return 2 * a.shape[0] * a.shape[1] * a.shape[2] * b.shape[2]


def _baddbmm(added: Tensor, a: Tensor, b: Tensor, **kwargs: Any) -> int:
    return _bmm(a, b)


def _convolution(x: Tensor, weight: Tensor, *args: Any, out_val: Tensor, **kwargs: Any) -> int:
    transposed = args[4]
    return _positions(x.shape[0], (x if transposed else out_val).shape[2:], weight.shape)


def _convolution_backward(grad: Tensor, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> int:
    transposed, mask = args[4], args[7]
    positions = (x if transposed else grad).shape[2:]
    by_input = _positions(grad.shape[0], positions, weight.shape) if mask[0] else 0
    whole = (x.shape[1], grad.shape[1], *weight.shape[2:])  # torch counts a grouped weight as if it were not
    return by_input + (_positions(grad.shape[0], positions, whole) if mask[1] else 0)


def _positions(samples: int, positions: Sequence[int], weight: Sequence[int]) -> int:
    return 2 * samples * prod(positions) * prod(weight)

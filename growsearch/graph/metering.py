"""FLOPs of what is really computed, counted while it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from torch._C import DispatchKey, _dispatch_has_kernel_for_dispatch_key
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


class FlopMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts in `flops` what is computed inside, backward passes too: two for each multiply-add.

    The formulas are those of `torch.utils.flop_counter`, as for `training_flops_per_sample`: convolutions, matrix
    products and attention count, elementwise work and decompositions of matrices do not. Nothing counts that computes
    nothing, on the meta device, nor the runs of `trace`, which look at shapes and may take place there or not. Torch's
    own counter also follows which module is running, which takes several times as long.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula, composite = _formula(func)
        if composite:  # seen in inference mode only: made of operations that are counted
            with self:
                return func.decompose(*args, **kwargs)
        output = func(*args, **kwargs)
        if formula is not None and not args[0].is_meta and not _tracing.get():
            self.flops += int(formula(*args, **kwargs, out_val=output))
        return output


@contextmanager
def unmetered() -> Iterator[None]:
    """Inside, no meter counts."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


@cache
def _formula(func: Any) -> tuple[Callable[..., int] | None, bool]:
    """How to count an operation, if it counts, and whether it has to be taken apart before."""
    if not isinstance(func, OpOverload):
        return flop_registry.get(func), False
    formula = flop_registry.get(func._overloadpacket)
    key = DispatchKey.CompositeImplicitAutograd
    name: str = func.name()  # type: ignore[no-untyped-call]
    return formula, formula is None and _dispatch_has_kernel_for_dispatch_key(name, key)

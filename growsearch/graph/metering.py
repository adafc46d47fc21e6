"""FLOPs of what is really computed, counted while it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from growsearch.graph.compiler import spare_compiler
from growsearch.graph.flops import formula_of, is_composite

_BY_DEVICE = ("attention", "rnn", "lstm", "gru")
_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


class FlopMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts in `flops` what is computed inside, backward passes too: two for each multiply-add.

    The formulas are those of `torch.utils.flop_counter`, as for `training_flops_per_sample`: convolutions, matrix
    products and attention count, elementwise work and decompositions of matrices do not. Nothing counts that computes
    nothing, on the meta device, nor the runs of `trace`, which look at shapes and may take place there or not. Torch's
    own counter also follows which module is running, which takes several times as long.
    """

    supports_higher_order_operators = True
    by_device = False
    """Whether an operation was seen whose count depends on the device: torch computes it as another one there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.by_device |= _depends_on_device(func)
        if is_composite(func):  # seen in inference mode only: made of operations that are counted
            with self:
                return func.decompose(*args, **kwargs)
        output = func(*args, **kwargs)
        formula = formula_of(func)
        if formula is not None and not args[0].is_meta and not _tracing.get():
            self.flops += int(formula(*args, **kwargs, out_val=output))
        return output


spare_compiler(FlopMeter.__torch_dispatch__)


@contextmanager
def unmetered() -> Iterator[None]:
    """Inside, no meter counts."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


@cache
def _depends_on_device(func: Any) -> bool:
    return any(part in str(func) for part in _BY_DEVICE)

"""What happens below the level of torch functions: FLOPs, and which memory was computed from which."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from growsearch.graph.compiler import spare_compiler
from growsearch.graph.flops import formula_of
from growsearch.graph.kinds import density, memory_of
from growsearch.graph.nested import tensors_in


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts FLOPs as `torch.utils.flop_counter` does, and remembers the data flow between storages.

    The flow finds the inputs of work that torch functions do not show (scripted code, custom operators), so that the
    spaces that go into it can be frozen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self._flow: dict[int, set[int]] = {}
        self._keep: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        formula = formula_of(func)
        tensors = [tensor for _, tensor in tensors_in((args, kwargs))]
        if formula is not None and not any(tensor.is_nested for tensor in tensors):
            share = prod(density(tensor) for tensor in tensors)
            self.flops += round(share * formula(*args, **kwargs, out_val=output))
        inputs = {memory_of(tensor) for tensor in tensors}
        for _, tensor in tensors_in(output):
            self._keep.append(tensor)  # the address of a storage is its own as long as the storage lives
            self._flow.setdefault(memory_of(tensor), set()).update(inputs)
        return output

    def sources(self, tensor: Tensor, known: set[int]) -> set[int]:
        """The known storages that a tensor was computed from; empty where it was not made in this run."""
        found: set[int] = set()
        seen: set[int] = set()
        queue = [memory_of(tensor)]
        while queue:
            current = queue.pop()
            if current in seen:
                continue
            seen.add(current)
            if current in known:
                found.add(current)
            else:
                queue.extend(self._flow.get(current, ()))
        return found


spare_compiler(Tally.__torch_dispatch__)

"""Calls: what happened in one run of a model, as plain data without tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

CallKind = Literal["input", "parameter", "constant", "module", "function", "output"]

_BASES = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
_ALIASES = {
    **{f"{side}{base}": base for base in _BASES for side in "ir"},
    "absolute": "abs",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "imatmul": "matmul",
    "movedim": "moveaxis",
    "multiply": "mul",
    "negative": "neg",
    "subtract": "sub",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "true_divide": "div",
}
CASTS = frozenset(("to", "type", "type_as", "float", "half", "bfloat16", "double"))
"""Functions that give the same values in another type, or on another device."""
_SYMBOLS = {"truediv": "div", "floordiv": "floor_divide", "mod": "remainder"}


@dataclass(frozen=True)
class Ref:
    """Stands for the tensor that the call named `call` returned, in `Call.args` and `Call.kwargs`."""

    call: str


@dataclass(frozen=True)
class Call:
    """One thing that happened in the run.

    `target` is a module path, the name of a torch function (see `function_name`), or the name of a parameter. `scope`
    is the path of the module in whose forward it happened, `index` how many calls with the same kind, target and (for
    functions) scope came before it. Tensors in `args` and `kwargs` are `Ref`s, nested in tuples, lists and dicts as in
    the call. `shape` is that of the output where that is one tensor; `flops` counts the whole example batch. A call
    with target "item" picks one tensor out of the nested output of another call.
    """

    name: str
    kind: CallKind
    target: str
    scope: str
    index: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...] | None
    input_shapes: tuple[tuple[int, ...], ...]
    function: Callable[..., Any] | None = None
    rule: str | None = None
    flops: int = 0

    def references(self) -> Iterator[tuple[str, str]]:
        """(argument position such as "0", "1.2" or "weight", name of the call that made it), in order."""
        for position, argument in enumerate(self.args):
            yield from _references(str(position), argument)
        for key, argument in self.kwargs.items():
            yield from _references(key, argument)


def _references(position: str, argument: Any) -> Iterator[tuple[str, str]]:
    if isinstance(argument, Ref):
        yield position, argument.call
    elif isinstance(argument, (tuple, list)):
        for index, inner in enumerate(argument):
            yield from _references(f"{position}.{index}", inner)
    elif isinstance(argument, dict):
        for key, inner in argument.items():
            yield from _references(f"{position}.{key}", inner)


def function_name(function: Callable[..., Any]) -> str:
    """One name for all spellings of an operation: `add` for `torch.add`, `Tensor.add_`, `+` and `+=`."""
    name = str(getattr(function, "__name__", type(function).__name__))
    if name in ("__get__", "__set__"):  # a property such as Tensor.T
        named = str(getattr(getattr(function, "__self__", None), "__name__", name))
        name = named if name == "__get__" else f"set_{named}"
    name = name.strip("_")
    name = _ALIASES.get(name, name)
    return _SYMBOLS.get(name, name)


def item(value: Any, *path: Any) -> Any:
    """The part of a nested output at `path`: keys of dicts, positions in sequences, attribute names elsewhere."""
    for key in path:
        value = value[key] if isinstance(value, (tuple, list, dict)) else getattr(value, key)
    return value

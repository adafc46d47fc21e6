"""Recording one run of a model: every call of a leaf module and of a torch function outside leaf modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from growsearch.graph.call import Call, CallKind, Ref, function_name, item
from growsearch.graph.kinds import memory_of, peculiarity, shape_of
from growsearch.graph.leaves import is_leaf
from growsearch.graph.module_call import ModuleCall
from growsearch.graph.nested import replace_tensors, tensors_in
from growsearch.graph.tally import Tally

# Functions that return no tensor and yet carry values of one away.
_ESCAPES = frozenset({"setitem", "set_data", "tolist", "numpy", "array"})


@dataclass(frozen=True)
class Record:
    """A call together with what only the analysis needs: the shapes of all output tensors, and the module.

    `peculiar` tells that a parameter, or a tensor that enters or leaves a call, is none whose axes can be followed.
    """

    call: Call
    shapes: tuple[tuple[int, ...], ...]
    module: nn.Module | None = None
    peculiar: str = ""


class Recorder(TorchFunctionMode):
    """Use `recording()`, then read `records`; tensors that the run makes live as long as the recorder."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.module_calls: list[ModuleCall] = []
        self.reached: set[str] = set()
        self._tally = Tally()
        self.names = tensor_names(model)
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._model = model
        self._made_by: dict[int, str] = {}
        self._keep: list[Tensor] = []
        self._owned = {memory_of(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        self._by_storage: dict[int, list[str]] = {}
        self._scopes = [""]
        self._entered: list[tuple[str | None, tuple[int, ...] | None]] = []
        self._leaf: tuple[nn.Module, int] | None = None
        self._counts: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record everything that happens inside."""
        handles = [handle for module in self._model.modules() for handle in self._hook(module)]
        try:
            with self._tally, self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def inputs(self, value: Any) -> None:
        """Declare the model's inputs."""
        for _, tensor in tensors_in(value):
            self._add("input", "input", "", (), {}, tensor)

    def output(self, value: Any) -> None:
        """Declare the model's output."""
        tensors = tuple(tensor for _, tensor in tensors_in(value))
        self._add("output", "output", "", tensors, {}, None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._leaf is not None:
            return func(*args, **kwargs)
        before = self._tally.flops
        output = func(*args, **kwargs)
        name = function_name(func)
        if name in _ESCAPES or next(tensors_in(output), None) is not None:
            flops = self._tally.flops - before
            self._add("function", name, self._scopes[-1], args, kwargs, output, function=func, flops=flops)
        return output

    def _hook(self, module: nn.Module) -> list[RemovableHandle]:
        enter, leave = (self._enter_leaf, self._leave_leaf) if is_leaf(module) else (self._enter, self._leave)
        # Hooks of the user stay outside a leaf: what they do to its input and output is recorded as calls.
        # By nn.Module's own methods: those of TorchScript's modules refuse, though their calls heed such hooks.
        return [
            nn.Module.register_forward_pre_hook(module, enter, with_kwargs=True),
            nn.Module.register_forward_hook(module, leave, prepend=True, with_kwargs=True),
        ]

    def _enter(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self._leaf is None:
            self._scopes.append(self._paths[id(module)])
            self._entered.append(self._origin((args, kwargs)))  # now: a call may change its input in place

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if self._leaf is None:
            path, (made, shape) = self._scopes.pop(), self._entered.pop()
            origin, found = self._origin(output)
            self.module_calls.append(ModuleCall(path, made, origin, shape, found))

    def _origin(self, value: Any) -> tuple[str | None, tuple[int, ...] | None]:
        """The call that made the first tensor of `value`, and its shape."""
        tensor = next((tensor for _, tensor in tensors_in(value)), None)
        return (None, None) if tensor is None else (self._made_by.get(id(tensor)), shape_of(tensor))

    def _enter_leaf(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self._leaf is None:
            self._leaf = (module, self._tally.flops)

    def _leave_leaf(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if self._leaf is None or self._leaf[0] is not module:
            return
        flops = self._tally.flops - self._leaf[1]
        self._leaf = None
        path = self._paths[id(module)]
        for name, parameter in module.named_parameters():  # a hook may have put another one in the place of the model's
            self.reached.add(self.names.get(id(parameter), f"{path}.{name}".lstrip(".")))
        self._add("module", path, self._scopes[-1], args, kwargs, output, module=module, flops=flops)

    def _add(
        self,
        kind: CallKind,
        target: str,
        scope: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
        *,
        module: nn.Module | None = None,
        function: Callable[..., Any] | None = None,
        flops: int = 0,
    ) -> str:
        """Append a record, and one "item" call for every tensor of a nested output; returns the call's name."""
        inputs = [tensor for _, tensor in tensors_in((args, kwargs))]
        arguments = replace_tensors(args, self._reference), replace_tensors(kwargs, self._reference)
        # A module has one name wherever it is called from: count its calls over all scopes.
        counted = kind, target, scope if kind == "function" else ""
        index = self._counts[counted]
        self._counts[counted] += 1
        name = _call_name(kind, target, scope, index)
        made = list(tensors_in(output))
        single = isinstance(output, Tensor)
        call = Call(
            name=name,
            kind=kind,
            target=target,
            scope=scope,
            index=index,
            args=arguments[0],
            kwargs=arguments[1],
            shape=shape_of(output) if single else None,
            input_shapes=tuple(shape_of(tensor) for tensor in inputs),
            function=function,
            flops=flops,
        )
        shapes = tuple(shape_of(tensor) for _, tensor in made)
        peculiar = peculiarity(output) if kind == "parameter" else _nested([*inputs, *(tensor for _, tensor in made)])
        self.records.append(Record(call, shapes, module, peculiar))
        for path, tensor in made:
            self._keep.append(tensor)
            self._made_by[id(tensor)] = name
            self._by_storage.setdefault(memory_of(tensor), []).append(name)
            if not single:
                self._add("function", "item", scope, (Ref(name), *path), {}, tensor, function=item)
        return name

    def _reference(self, tensor: Tensor) -> Ref:
        """The call that made a tensor; a parameter, a constant or hidden work becomes a call when it is first met."""
        made_by = self._made_by.get(id(tensor))
        if made_by is not None:
            return Ref(made_by)
        name = self.names.get(id(tensor))
        if name is not None:
            self.reached.add(name)
            return Ref(self._add("parameter", name, "", (), {}, tensor))
        sources = sorted(self._tally.sources(tensor, {*self._by_storage, *self._owned}))
        if sources:  # made in this run by something that torch functions do not show, such as scripted code or `vmap`
            for source in sources:
                if source not in self._by_storage:
                    self._reference(self._owned[source])
            hidden = tuple(Ref(made) for source in sources for made in self._by_storage[source])
            return Ref(self._add("function", "hidden work", self._scopes[-1], hidden, {}, tensor))
        return Ref(self._add("constant", "constant", "", (), {}, tensor))


def tensor_names(model: nn.Module) -> dict[int, str]:
    """First name of every parameter and buffer, by identity."""
    names: dict[int, str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        names.setdefault(id(tensor), name)
    return names


def _nested(tensors: list[Tensor]) -> str:
    return "nested" if any(tensor.is_nested for tensor in tensors) else ""


def _call_name(kind: CallKind, target: str, scope: str, index: int) -> str:
    base = f"{scope}.{target}()".lstrip(".") if kind == "function" else target
    return f"{base}#{index}" if index else base

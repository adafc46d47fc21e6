"""Running a model on example inputs under the recorder, on the meta device where that works."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from growsearch.errors import TraceError
from growsearch.graph.analysis import Analysis
from growsearch.graph.compiler import compiler_loaded
from growsearch.graph.copying import meta_inputs, meta_model
from growsearch.graph.kinds import shape_of
from growsearch.graph.nested import tensors_in
from growsearch.graph.recorder import Recorder
from growsearch.graph.wrapping import wrapper_of


@dataclass(frozen=True)
class Example:
    """Arguments of one run; `samples` is the size of the first axis of the first tensor."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        first = next(tensors_in((self.args, self.kwargs)))[1]
        return first.shape[0] if first.ndim else 1


def examples_of(inputs: Any) -> list[Example]:
    """A tensor, a tuple of arguments or a mapping of keyword arguments is one example; a list holds several."""
    if isinstance(inputs, list):
        if not inputs:
            raise TraceError("example_inputs is an empty list: give at least one example")
        return [example for each in inputs for example in examples_of(tuple(each) if isinstance(each, list) else each)]
    if isinstance(inputs, Mapping):
        example = Example(kwargs=dict(inputs))
    else:
        example = Example(args=inputs if type(inputs) is tuple else (inputs,))
    if next(tensors_in((example.args, example.kwargs)), None) is None:
        raise TraceError(
            f"example_inputs holds no tensor (found {type(inputs).__name__}): give a tensor, a tuple of positional "
            "arguments, a dict of keyword arguments, or a list of several such examples"
        )
    return [example]


def check_model(model: Any) -> None:
    """Refuse what cannot be traced as it is; `TraceError` says what to trace instead."""
    if not isinstance(model, nn.Module):
        raise TraceError(f"cannot trace a {type(model).__name__}: give a torch.nn.Module")
    for path, module in model.named_modules():
        where = f"the module {path!r}" if path else "the model"
        if (wrapper := wrapper_of(module)) is not None:
            raise TraceError(
                f"{where} is wrapped in {wrapper[0]}, which hides calls and keeps references to parameters: "
                f"trace (and grow) the inner module, its attribute {wrapper[1]!r}, and wrap it again"
                + ("; module.compile() compiles it in place" if wrapper[0] == "OptimizedModule" else "")
            )
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if any(kind.__name__ == "DTensor" for kind in type(tensor).__mro__):
                raise TraceError(
                    f"{where} is sharded (FSDP2 or tensor parallel): {name!r} is a DTensor, of which this process has "
                    "a part only, and growing needs whole tensors. Grow before fully_shard or parallelize_module, or "
                    "train with DistributedDataParallel"
                )
            if is_lazy(tensor):
                raise TraceError(
                    f"{where} is lazy: {name!r} has no shape yet; run the model once on example inputs first"
                )


SMALL = 1 << 18
"""Up to so many elements, computing is faster than the meta device, whose operations are written in Python."""

LARGEST = 1 << 24
"""The same of a model's tensors as long as torch's compiler is not loaded, which the meta device imports in seconds."""


class Runner:
    """Runs examples on a copy of a model (on the meta device unless it is small), or on the model itself.

    The model itself runs only where the copy cannot: where a size depends on values, say; or where it is `own`, a copy
    that nobody else holds.
    """

    def __init__(self, model: nn.Module, own: bool = False) -> None:
        self._model = model
        self._small = is_small(model)
        self._copies: dict[bool, nn.Module] = {self._small: model} if own and (self._small or _is_meta(model)) else {}
        self._copy_failed = False

    def run(self, example: Example, analysis: Analysis, *, training: bool) -> set[str]:
        """Run one example and analyse it; returns the names of the tensors used. `TraceError` if the model raises."""
        recorder = self._record(example, training=training)
        analysis.run(recorder.records, recorder.names)
        analysis.module_calls = analysis.module_calls or recorder.module_calls
        return recorder.reached

    def _record(self, example: Example, *, training: bool) -> Recorder:
        if not self._copy_failed:
            try:
                small = self._small and is_small_input((example.args, example.kwargs))
                duplicate = self._copies.get(small) or (copy.deepcopy if small else meta_model)(self._model)
                self._copies[small] = duplicate
                inputs = copy.deepcopy(example) if small else meta_inputs(example)
                with _quiet(duplicate), nullcontext() if small else torch.device("meta"):
                    return _record(duplicate.train(training), inputs)
            except Exception as error:  # whatever it was, running the model itself decides, if it has values
                if _is_meta(self._model):
                    raise _not_run(self._model, example, error) from error
                self._copy_failed = True
        with _quiet(self._model), _restored(self._model):
            try:
                return _record(self._model.train(training), example)
            except Exception as error:
                raise _not_run(self._model, example, error) from error


def _is_meta(model: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in model.parameters())


def _not_run(model: nn.Module, example: Example, error: Exception) -> TraceError:
    shapes = ", ".join(str(shape_of(tensor)) for _, tensor in tensors_in((example.args, example.kwargs)))
    return TraceError(
        f"running {type(model).__name__} on the example inputs (shapes {shapes}) failed with "
        f"{type(error).__name__}: {error}. Check that model(*example_inputs) works: shapes, types and "
        "device of the inputs, and that a tuple means several arguments and a dict keyword arguments"
    )


def is_small(model: nn.Module) -> bool:
    """Whether computing with a copy of the model is faster than the meta device."""
    return _elements(model) <= (SMALL if compiler_loaded() else LARGEST)


def _elements(model: nn.Module) -> int:
    """Elements of all tensors; more than `LARGEST` where one is not on the CPU."""
    tensors = [*model.parameters(), *model.buffers()]
    return LARGEST + 1 if any(t.device.type != "cpu" for t in tensors) else sum(t.numel() for t in tensors)


def is_small_input(inputs: Any) -> bool:
    """Whether a run on inputs of this size is fast."""
    return sum(tensor.numel() for _, tensor in tensors_in(inputs)) <= SMALL


def _record(model: nn.Module, example: Example) -> Recorder:
    recorder = Recorder(model)
    recorder.inputs((example.args, example.kwargs))
    with recorder.recording():
        output = model(*example.args, **example.kwargs)
    recorder.output(output)
    return recorder


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    """No gradients, no fused attention paths, and random states as before."""
    fast = torch.backends.mha.get_fastpath_enabled()
    state = random.getstate()
    devices = sorted({tensor.get_device() for tensor in model.parameters() if tensor.is_cuda})
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        stack.callback(random.setstate, state)
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(torch.no_grad())
        torch.backends.mha.set_fastpath_enabled(False)
        yield


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Modes and buffers as before."""
    modes = [(module, module.training) for module in model.modules()]
    buffers: list[tuple[Tensor, Tensor]] = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)

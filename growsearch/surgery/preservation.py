"""Run a network without leaving a trace, and compare what it gives."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_map_only

SEED = 0
"""Every run starts from the same random numbers."""
_KEPT_BY_TORCH = frozenset(vars(nn.Module()))


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Afterwards modes, buffers (running statistics) and the random number generators are as they were.

    The generators are torch's, Python's and NumPy's: some models drop layers by the latter. So are other attributes of
    modules, such as counters, unless they are changed in place, and the weights of embeddings with `max_norm`, which
    shorten the rows that they look up.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, name, buffer) for module in model.modules() for name, buffer in module._buffers.items()]
    values = {id(buffer): buffer.detach().clone() for _, _, buffer in buffers if buffer is not None}
    attributes = [(vars(module), _own_attributes(module)) for module in model.modules()]
    shortened = [m.weight for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag) and m.max_norm]
    rows = [weight.detach().clone() for weight in shortened]
    of_python, of_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=_devices(model)):
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)
            for now, own in attributes:
                now.update((name, value) for name, value in own.items() if now.get(name, own) is not value)
            for module, training in modes:
                module.training = training
            with torch.no_grad():
                for module, name, buffer in buffers:
                    module._buffers[name] = buffer
                    if buffer is not None:
                        buffer.copy_(values[id(buffer)])
                for weight, old in zip(shortened, rows, strict=True):
                    weight.copy_(old)


def _own_attributes(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _KEPT_BY_TORCH}


def outputs_of(model: nn.Module, inputs: Any, training: bool) -> Any:
    """What `model` gives for `inputs` in train or eval mode, without gradients and without leaving a trace.

    `inputs` is a tensor, a tuple of positional arguments or a dict of keyword arguments; a list means several
    examples, and gives a list. Each run starts from the same random numbers; dropout modules are off in train mode
    too, because the draws for a tensor that has grown cannot be those for the old one.
    """
    if isinstance(inputs, list):
        return [outputs_of(model, each, training) for each in inputs]
    # A model that works in place must not change the caller's tensors.
    inputs = tree_map_only(Tensor, torch.clone, inputs)
    with undisturbed(model), torch.no_grad():
        seed_generators(model, SEED)
        model.train(training)
        for module in model.modules():
            if isinstance(module, _DropoutNd):
                module.training = False
        if isinstance(inputs, dict):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def _devices(model: nn.Module) -> list[int]:
    return sorted({tensor.get_device() for tensor in model.parameters() if tensor.is_cuda})


def seed_generators(model: nn.Module, seed: int) -> None:
    """Seed the generators that the model can draw from, and no others: only these does `undisturbed` put back."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # torch's are of 64 bits
    torch.default_generator.manual_seed(seed)
    for device in _devices(model):
        torch.cuda.default_generators[device].manual_seed(seed)


def relative_difference(before: Any, after: Any) -> float:
    """Largest difference of two nested outputs, each tensor relative to its own largest entry.

    Tensors, arrays and floating-point numbers are found in mappings, sequences, dataclasses and the attributes of other
    objects, such as distributions. Infinite where structure, shapes or entries that are not floating-point numbers
    differ, and where one is not finite and the other not the same; but what an object holds in another shape is its
    state (keys and values for the next token, say), and left out.
    """
    (first, held), (second, also_held) = _leaves(before), _leaves(after)
    if first.keys() != second.keys():
        return float("inf")
    pairs = [(first[path], second[path]) for path in first]
    both = [(value, also_held[path]) for path, value in held.items() if path in also_held]
    pairs += [(one, other) for one, other in both if getattr(one, "shape", None) == getattr(other, "shape", None)]
    return max((_difference(one, other) for one, other in pairs), default=0.0)


_Path = tuple[Any, ...]


def _leaves(outputs: Any) -> tuple[dict[_Path, Any], dict[_Path, Any]]:
    """What outputs are made of, by its place, and what is held by objects among them."""
    leaves: dict[_Path, Any] = {}
    held: dict[_Path, Any] = {}
    waiting: list[tuple[_Path, Any, bool]] = [((), outputs, False)]
    seen: set[int] = set()
    while waiting:
        path, value, inside = waiting.pop()
        if inside and not _is_compared(value):
            if id(value) in seen:
                continue
            seen.add(id(value))
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            items = value.items()
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            items = enumerate(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            items = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        else:
            (held if inside else leaves)[path] = value
            inside = True
            if not isinstance(value, Tensor | nn.Module | type):
                items = getattr(value, "__dict__", {}).items()
        waiting += (((*path, key), each, inside) for key, each in items)
    return leaves, held


def holds_values(outputs: Any) -> bool:
    """Whether there is anything in outputs that can be compared: no set or iterator can be."""
    return any(_is_compared(value) for found in _leaves(outputs) for value in found.values())


def _is_compared(value: Any) -> bool:
    """Whole numbers are not: they may be sizes."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    return isinstance(value, Tensor | float | complex | np.inexact)


def _difference(before: Any, after: Any) -> float:
    if _is_compared(before) and _is_compared(after):
        before, after = torch.as_tensor(before), torch.as_tensor(after)
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return 0.0 if type(before) is type(after) else float("inf")
    if before.is_nested and after.is_nested:
        rows, others = before.unbind(), after.unbind()
        if len(rows) != len(others):
            return float("inf")
        return max((_difference(*pair) for pair in zip(rows, others, strict=True)), default=0.0)
    if before.layout != torch.strided or after.layout != torch.strided:
        before, after = before.to_dense(), after.to_dense()
    if before.shape != after.shape:
        return float("inf")
    if not (before.is_floating_point() or before.is_complex()):
        return 0.0 if torch.equal(before, after) else float("inf")
    wide = torch.promote_types(before.dtype, torch.float32)
    before, after = before.to(wide), after.to(wide)
    other = ~torch.isclose(before, after, rtol=0.0, atol=0.0, equal_nan=True)
    if not other.any():
        return 0.0
    gap = (before - after)[other].abs().max()
    finite = torch.cat([each[each.isfinite()].abs().flatten() for each in (before, after)])
    if not gap.isfinite() or not len(finite):
        return float("inf")
    return float(gap / finite.max())

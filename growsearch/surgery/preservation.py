"""Run a network without leaving a trace, and compare what it gives."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_map_only

SEED = 0
"""Every run starts from the same random numbers."""


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Afterwards modes, buffers (running statistics) and the random number generators are as they were.

    The generators are torch's, Python's and NumPy's: some models drop layers by the latter.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, name, buffer) for module in model.modules() for name, buffer in module._buffers.items()]
    values = {id(buffer): buffer.detach().clone() for _, _, buffer in buffers if buffer is not None}
    of_python, of_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=_devices(model)):
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)
            for module, training in modes:
                module.training = training
            with torch.no_grad():
                for module, name, buffer in buffers:
                    module._buffers[name] = buffer
                    if buffer is not None:
                        buffer.copy_(values[id(buffer)])


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
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    for device in _devices(model):
        torch.cuda.default_generators[device].manual_seed(seed)


def relative_difference(before: Any, after: Any) -> float:
    """Largest difference of two nested outputs, each tensor relative to its own largest entry.

    Infinite where structure, shapes or entries that are not floating-point numbers differ, and where one is not
    finite and the other not the same.
    """
    first, second = list(_leaves(before, "")), list(_leaves(after, ""))
    if [path for path, _ in first] != [path for path, _ in second]:
        return float("inf")
    pairs = zip(first, second, strict=True)
    return max((_difference(one, other) for (_, one), (_, other) in pairs), default=0.0)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}.{index}")
    else:
        yield path, value


def _difference(before: Any, after: Any) -> float:
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return 0.0 if type(before) is type(after) else float("inf")
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

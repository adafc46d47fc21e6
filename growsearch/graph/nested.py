"""Tensors inside nested values: tuples, lists, dicts, dataclasses and other plain objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Path = tuple[Any, ...]


def tensors_in(value: Any) -> Iterator[tuple[Path, Tensor]]:
    """Every tensor inside `value` with the path to it (see `growsearch.graph.call.item`), in order; not in modules."""
    yield from _walk(value, (), set())


def _walk(value: Any, path: Path, seen: set[int]) -> Iterator[tuple[Path, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif id(value) not in seen and not isinstance(value, (nn.Module, torch.Size)):
        seen.add(id(value))
        for key, inner in _parts(value):
            yield from _walk(inner, (*path, key), seen)


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (tuple, list)):
        yield from enumerate(value)
    elif type(value).__module__ not in ("builtins", "types", "torch"):
        yield from dict(getattr(value, "__dict__", {})).items()


def replace_tensors(value: Any, replace: Callable[[Tensor], Any]) -> Any:
    """`value` with every tensor replaced; tuples of any kind become plain ones, objects with tensors dicts."""
    if isinstance(value, Tensor):
        return replace(value)
    if isinstance(value, tuple):
        return tuple(replace_tensors(inner, replace) for inner in value)
    if isinstance(value, list):
        return [replace_tensors(inner, replace) for inner in value]
    if isinstance(value, dict):
        return {key: replace_tensors(inner, replace) for key, inner in value.items()}
    if isinstance(value, slice):
        return slice(*(replace_tensors(inner, replace) for inner in (value.start, value.stop, value.step)))
    if next(tensors_in(value), None) is not None:
        return {key: replace_tensors(inner, replace) for key, inner in _parts(value)}
    return value

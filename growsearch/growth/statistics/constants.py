"""What the network computes from its parameters and buffers alone, as a new unit would see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph import Call, NetworkGraph, Ref, Site
from growsearch.growth.starts import typical
from growsearch.growth.unit_weights import fill_shape
from growsearch.surgery.edits import ROLE_FILLS
from growsearch.surgery.slots import named_tensors

_RANDOM = ("rand", "normal", "bernoulli", "multinomial", "dropout", "uniform", "exponential")


class Constants:
    """Values of calls that depend on no input; where they carry a site's units, those of one new unit."""

    def __init__(self, graph: NetworkGraph, model: nn.Module, site: Site) -> None:
        self._graph, self._model, self._site = graph, model, site
        self._tensors: Mapping[str, Tensor] = named_tensors(model)
        self._known: dict[str, Any] = {}
        self._fixed = _independent(graph)

    def value(self, name: str) -> Tensor | None:
        """The tensor that call `name` gives, without gradient; None where it depends on the input, or is not known."""
        if name not in self._fixed:
            return None
        with torch.no_grad():
            found = self._value(name)
        return found if isinstance(found, Tensor) and not found.is_meta else None

    def _value(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._computed(self._graph.calls[name])
        return self._known[name]

    def _computed(self, call: Call) -> Any:
        if call.kind == "parameter":
            return self._of_new_unit(call.target)
        inputs = {source: self._value(source) for _, source in call.references()}
        if not inputs or any(value is None for value in inputs.values()) or call.function is None:
            return None
        if any(call.target.startswith(word) for word in _RANDOM):
            return None
        try:
            return call.function(*_filled(call.args, inputs), **_filled(call.kwargs, inputs))
        except (RuntimeError, TypeError, ValueError, IndexError):
            return None  # sizes in the call are those of all units

    def _of_new_unit(self, name: str) -> Tensor | None:
        tensor = self._tensors.get(name)
        if tensor is None:
            return None
        value = tensor.detach()
        for use in self._site.axes:
            if use.tensor != name and name not in use.aliases:
                continue
            if use.role == "free":
                value = typical(value, use.axis).expand(fill_shape(use, value))
            else:
                value = value.new_full(fill_shape(use, value), ROLE_FILLS.get(use.role, 0.0))
        return value


def _independent(graph: NetworkGraph) -> set[str]:
    """The calls that depend on no input: of parameters, and of such calls alone. Calls come in the order of the run."""
    found: set[str] = set()
    for call in graph.calls.values():
        sources = {source for _, source in call.references()}
        if call.kind == "parameter" or (sources and sources <= found):
            found.add(call.name)
    return found


def _filled(value: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(value, Ref):
        return tensors[value.call]
    if isinstance(value, dict):
        return {key: _filled(inner, tensors) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_filled(inner, tensors) for inner in value)
    return value

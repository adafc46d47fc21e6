"""Gates and entries on a network's modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from growsearch.graph import NetworkGraph
from growsearch.growth.soft.ports import Port, add, gate_ports, input_port, multiply

Ports = Mapping[str, tuple[list[Port], Port | None]]
Values = Callable[[str], Tensor]


def ports_of(graph: NetworkGraph, model: nn.Module, sites: Mapping[str, int]) -> Ports:
    """By site, the inputs of the consumers and where the size enters."""
    found = {name: graph.sites[name] for name in sites}
    return {name: (gate_ports(graph, model, site), input_port(graph, model, site)) for name, site in found.items()}


class Hooks:
    """Hooks that multiply a site's units by `gates(site)` and add `entry(site)` to its biases, while attached."""

    def __init__(self, model: nn.Module, gates: Values, entry: Values) -> None:
        self._model, self._gates, self._entry = model, gates, entry
        self._handles: list[RemovableHandle] = []

    def attach(self, ports: Ports) -> None:
        """Put the hooks on; none may be on."""
        for name, (consumers, entry) in ports.items():
            for port in consumers:
                layer = self._model.get_submodule(port.module)
                self._handles.append(layer.register_forward_pre_hook(self._gate(name, port), with_kwargs=True))
            if entry is not None:
                layer = self._model.get_submodule(entry.module)
                self._handles.append(layer.register_forward_hook(self._enter(name, entry)))

    def detach(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _gate(self, site: str, port: Port) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
        def hook(
            layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            factors = port.on_channels(self._gates(site), 1.0)
            if args:
                return (multiply(layer, args[0], factors), *args[1:]), kwargs
            return args, {**kwargs, "input": multiply(layer, kwargs["input"], factors)}

        return hook

    def _enter(self, site: str, port: Port) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def hook(layer: nn.Module, args: Any, output: Tensor) -> Tensor:
            return add(layer, output, port.on_channels(self._entry(site), 0.0))

        return hook

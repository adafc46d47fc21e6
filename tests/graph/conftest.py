"""Growing traced models at random, to see whether the spaces that were found are the true ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from growsearch.graph import NetworkGraph, Site, trace
from growsearch.surgery import apply_edits, site_edits


def randomise(model: nn.Module) -> None:
    """Random values everywhere: zeros and tiny scales would hide errors."""
    with torch.no_grad():
        for module in model.modules():
            for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
                if not tensor.is_floating_point() or tensor.layout != torch.strided:
                    continue
                if isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm)) and name in ("weight", "running_var"):
                    tensor.uniform_(0.5, 1.5)
                elif tensor.ndim > 1 and tensor.numel() > tensor.shape[0] and min(tensor.shape[:2]) > 1:
                    nn.init.kaiming_normal_(tensor)
                else:
                    tensor.normal_(0, 0.3)


def widen(model: nn.Module, site: Site, units: int, *, silent: bool = True) -> None:
    """Add units with random values everywhere but at the consumers' inputs (there too where not `silent`)."""
    state = model.state_dict()
    fills: dict[tuple[str, int], Tensor | float] = {}
    for use in site.axes:
        if use.role == "in" and silent:
            continue
        shape = list(state[use.tensor].shape)
        shape[use.axis] = units * sum(run.repeat for run in use.runs)
        values = torch.randn(shape) * 0.3
        fills[use.tensor, use.axis] = values.abs() + 0.5 if use.role == "variance" else values
    apply_edits(model, site_edits(site, (*range(site.units), *(-1,) * units), fills=fills))


def run(model: nn.Module, inputs: Any) -> Tensor:
    with torch.no_grad():
        if isinstance(inputs, dict):
            output = model(**inputs)
        else:
            output = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    return output if isinstance(output, Tensor) else output["logits"]


def relative(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())


@pytest.fixture
def grown_difference() -> Callable[..., tuple[float, NetworkGraph]]:
    """Grow every exact site (or the named ones), one after the other; relative change of the output, and the graph."""

    def grow(model: nn.Module, inputs: Any, *names: str, silent: bool = True) -> tuple[float, NetworkGraph]:
        torch.manual_seed(0)
        model.eval()
        randomise(model)
        before = run(model, inputs)
        graph = trace(model, inputs)
        chosen = names or tuple(name for name, site in graph.sites.items() if site.kind == "exact")
        for number, name in enumerate(chosen):
            widen(model, trace(model, inputs).sites[name], 1 + number % 3, silent=silent)
        return relative(run(model, inputs), before), graph

    return grow

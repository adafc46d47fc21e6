"""What one forward and backward pass shows: layer inputs, and loss gradients at layer outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from growsearch.errors import GrowthFailed, GrowthRefused

Key = tuple[str, int]


@dataclass
class Capture:
    """Recorded tensors by (module path, how many times the module ran before); `runs` is how often each ran in all."""

    inputs: dict[Key, Tensor] = field(default_factory=dict)
    gradients: dict[Key, Tensor] = field(default_factory=dict)
    outputs: dict[Key, Tensor] = field(default_factory=dict)
    grids: dict[Key, tuple[int, ...]] = field(default_factory=dict)
    input_grids: dict[Key, tuple[int, ...]] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    loss: float = 0.0


def capture(
    model: nn.Module,
    objective: Callable[[nn.Module, Any], Tensor],
    batch: Any,
    inputs_of: Iterable[str] = (),
    gradients_of: Iterable[str] = (),
    outputs_of: Iterable[str] = (),
) -> Capture:
    """Run `objective(model, batch)` once; no parameter's `.grad` is touched and no weight gradient is computed.

    Raises `GrowthRefused` if the objective returns no differentiable scalar, `GrowthFailed` if it is not finite.

    Args:
        model: the network.
        objective: the loss of a batch.
        batch: one.
        inputs_of: modules by path whose inputs are kept.
        gradients_of: modules by path at whose outputs gradients are kept.
        outputs_of: modules by path whose outputs are kept.
    """
    found = Capture()
    edges: dict[Key, GradientEdge] = {}
    keep_inputs, keep_gradients, keep_outputs = set(inputs_of), set(gradients_of), set(outputs_of)

    def observe(path: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
            key = (path, found.runs[path])
            found.runs[path] += 1
            x = args[0] if args else kwargs["input"]
            found.grids[key] = tuple(output.shape[2:])
            found.input_grids[key] = tuple(x.shape[2:])
            if path in keep_inputs:
                found.inputs[key] = x.detach()
            if path in keep_outputs:
                found.outputs[key] = output.detach().clone()
            if path in keep_gradients and output.requires_grad:
                # The edge stays that of this output even if an in-place activation follows.
                edges[key] = get_gradient_edge(output)

        return hook

    handles = [
        model.get_submodule(path).register_forward_hook(observe(path), with_kwargs=True)
        for path in sorted(keep_inputs | keep_gradients | keep_outputs)
    ]
    try:
        with torch.enable_grad():
            loss = objective(model, batch)
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        raise GrowthRefused("the objective must return one differentiable number: objective(model, batch) -> loss")
    found.loss = float(loss.detach())
    if not torch.isfinite(loss.detach()).all():
        raise GrowthFailed(f"the objective is {found.loss} on the statistics batch: the run has diverged")
    gradients = torch.autograd.grad(loss, list(edges.values()), allow_unused=True) if edges else ()
    found.gradients = {key: g for key, g in zip(edges, gradients, strict=True) if g is not None}
    return found

"""Running a network and its objective so that the samples of a batch do not see each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.growth.dropout import WithoutDropout
from growsearch.surgery import undisturbed


@contextmanager
def eval_no_dropout(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without any dropout; afterwards everything is as it was."""
    with undisturbed(model), WithoutDropout():
        model.eval()
        yield


def network_output(
    model: nn.Module, objective: Callable[[nn.Module, Any], Tensor], batch: Any, attached: bool = False
) -> tuple[Tensor, Tensor]:
    """The objective and the network's output in it; `attached`: a leaf in problem of the output, to differentiate by.

    Raises `GrowthRefused` where the objective does not call the network once, or gets more than one tensor from it.

    Args:
        model: the network.
        objective: the loss of a batch.
        batch: one.
        attached: whether gradients can be taken.
    """
    outputs: list[Any] = []

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if attached and isinstance(output, Tensor):
            output = output.detach().requires_grad_()
        outputs.append(output)
        return output

    handle = model.register_forward_hook(hook)
    try:
        loss = objective(model, batch)
    finally:
        handle.remove()
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise GrowthRefused("the objective must return one differentiable number: objective(model, batch) -> loss")
    if len(outputs) != 1 or not isinstance(outputs[0], Tensor):
        raise GrowthRefused(
            f"Gauss-Newton curvature needs a network that the objective calls once and that returns one tensor; it "
            f"was called {len(outputs)} times and returned {[type(o).__name__ for o in outputs][:3]}: use where: "
            "uniform with how: split or gradmax"
        )
    return loss, outputs[0]


def wide(value: Tensor) -> Tensor:
    """In float32 or better: what half precision computes is not added up in it."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value

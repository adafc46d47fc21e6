"""An optimizer and its record."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.optim import Optimizer

from growsearch.optimizers import OptimizerRecord


class SignDescent(Optimizer):
    """Steps of one length against the sign of a momentum."""

    def __init__(self, params: Any, lr: float = 1e-3, memory: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "memory": memory})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["memory"])
                parameter.add_(momentum.sign(), alpha=-group["lr"])


class Sign(OptimizerRecord):
    """What new weights get of it."""

    summary: ClassVar[str] = "steps of one length"
    source: ClassVar[str] = "nowhere"
    kind = SignDescent
    state = {"momentum": "zero"}

    memory: float = 0.9

"""A network with one operation of torch between two layers, and what growing through it has to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import growsearch

Operation = Callable[[Tensor], Tensor]
CONVOLUTIONS: dict[str, tuple[type[nn.Module], int]] = {
    "signals": (nn.Conv1d, 1),
    "images": (nn.Conv2d, 2),
    "volumes": (nn.Conv3d, 3),
}
UNITS = 6


class Between(nn.Module):
    """A layer of `UNITS` units, the operation, and a layer that reads what it gives."""

    def __init__(self, operation: Operation, kind: str) -> None:
        super().__init__()
        self.operation = operation
        self.first: nn.Module
        self.last: nn.Module
        if kind in CONVOLUTIONS:
            convolution, dimensions = CONVOLUTIONS[kind]
            self.example = torch.randn(4, 3, *[6] * dimensions)
            self.first = convolution(3, UNITS, 3, padding=1)
            self.last = convolution(operation(self.first(self.example)).shape[1], 2, 1)
        else:
            self.example = torch.randn(4, 5, 3) if kind == "rows" else torch.randn(4, 3)
            self.first = nn.Linear(3, UNITS)
            self.last = nn.Linear(operation(self.first(self.example)).shape[-1], 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.operation(self.first(x)))
        return out


def between(operation: Operation, kind: str) -> Between:
    torch.manual_seed(0)
    return Between(operation, kind)


def grows(model: Between) -> None:
    """Twice, with either side zero; that the outputs stay as they are is checked by `grow` itself, in both modes."""
    assert growsearch.trace(model, model.example).sites["first"].kind == "exact"
    for how in ("zero", "random"):
        event = growsearch.grow(model, model.example, {"first": 2}, how=how)
        assert event.output_change < 1e-4
    assert model.first.weight.shape[0] >= UNITS + 4
    model(model.example)


def frozen(model: Between) -> None:
    """The site in front of the operation is, and says why."""
    site = growsearch.trace(model, model.example).sites["first"]
    assert site.kind == "frozen", site
    assert site.reason
    model(model.example)

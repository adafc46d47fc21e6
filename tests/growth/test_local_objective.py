"""The objective cut behind the layers that read new units: the same derivatives at these, without the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.growth import GrowthFailed, LocalObjective
from growsearch.surgery import undisturbed

ENDS = ["b", "c"]


class Chain(nn.Module):
    """`b`, and a plain function, read two new units of `a`, and `c` one of `b`, all with outgoing weights of zero."""

    def __init__(self, dropout: float = 0.0, aside: bool = False) -> None:
        super().__init__()
        self.stem, self.a, self.norm = nn.Linear(4, 5), nn.Linear(5, 7), nn.BatchNorm1d(7)
        self.b, self.c, self.head = nn.Linear(7, 6), nn.Linear(6, 5), nn.Linear(5, 3)
        self.drop, self.aside = nn.Dropout(dropout), aside
        self.loose = nn.Parameter(torch.randn(5, 7))
        with torch.no_grad():
            for weight, new in ((self.b.weight, 2), (self.c.weight, 1), (self.loose, 2)):
                weight[:, -new:] = 0.0
            self.b.weight[-1, -2:] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        h = self.drop(torch.tanh(self.norm(self.a(torch.relu(self.stem(x))))))
        y = torch.relu_(self.c(torch.sigmoid(self.b(h)) - 0.5))
        return self.head(y + F.linear(h, self.loose) if self.aside else y)


def once(model: nn.Module, batch: Tensor) -> Tensor:
    return torch.tanh(model(batch)).square().mean()


def two_views(model: nn.Module, batch: Tensor) -> Tensor:
    return (model(batch) - model(batch.flip(1))).square().mean()


def against_itself(model: nn.Module, batch: Tensor) -> Tensor:
    """The first run has no gradient."""
    with torch.no_grad():
        wanted = model(2 * batch)
    return (model(batch) - wanted).square().mean()


def derivatives(model: Chain, loss: Callable[[], Tensor]) -> list[Tensor]:
    """The gradient at what is zero, and of its squared norm at the incoming weights of the new units of `a` and `b`."""
    with undisturbed(model):
        zero = [model.b.weight, model.c.weight, *([model.loose] if model.aside else [])]
        found = torch.autograd.grad(loss(), zero, create_graph=True)
        gradients = [g[: -1 if i == 0 else None, -1 if i == 1 else -2 :] for i, g in enumerate(found)]
        norm = torch.stack([g.square().sum() for g in gradients]).sum()
        first, second = torch.autograd.grad(norm, [model.a.weight, model.b.weight])
        return [*gradients, first[-2:], second[-1, :-2]]


@pytest.mark.parametrize("objective", [once, two_views, against_itself])
@pytest.mark.parametrize(("dropout", "aside"), [(0.0, False), (0.3, False), (0.0, True)])
def test_derivatives_at_new_units_are_those_of_the_objective(
    objective: Callable[[nn.Module, Tensor], Tensor], dropout: float, aside: bool
) -> None:
    torch.manual_seed(0)
    model = Chain(dropout, aside).double()
    batch = torch.randn(9, 4, dtype=torch.float64)
    local = LocalObjective(model, objective, batch, ENDS, {"b": [5]})

    def whole() -> Tensor:
        torch.manual_seed(0)
        return objective(model, batch)

    for _ in range(2):
        for found, wanted in zip(derivatives(model, local), derivatives(model, whole), strict=True):
            largest = float(wanted.detach().abs().max())
            assert largest > 0
            assert torch.allclose(found, wanted, rtol=0, atol=1e-9 * largest)
        with torch.no_grad():
            # Wherever the units' other side goes.
            model.a.weight[-2:] += torch.randn(2, 5, dtype=torch.float64)
            model.b.weight[-1, :-2] += torch.randn(5, dtype=torch.float64)


def test_nothing_is_computed_behind_the_ends() -> None:
    model = Chain()
    model.head.requires_grad_(False)
    tracked = []

    def objective(model: nn.Module, batch: Tensor) -> Tensor:
        loss = once(model, batch)
        tracked.append(loss.requires_grad)
        return loss

    local = LocalObjective(model, objective, torch.randn(9, 4), ENDS)
    assert local().requires_grad
    assert tracked == [True, False]
    assert not any(module._forward_hooks for module in model.modules())


def test_an_objective_that_is_not_finite_fails_the_growth() -> None:
    with pytest.raises(GrowthFailed, match="the run has diverged"):
        LocalObjective(Chain(), lambda model, batch: once(model, batch) * float("nan"), torch.randn(9, 4), ENDS)

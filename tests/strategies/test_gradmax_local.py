"""GradMax-Opt: units that are moved without runs of the network are those that runs of it would find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.growth import Candidate, GrowthContext, NewUnit
from growsearch_strategies.gradmax.local_units import LocalUnits
from growsearch_strategies.how import gradmax_opt
from growsearch_strategies.how.gradmax_opt import GradMaxOpt
from tests.strategies.gauss_newton_tasks import context_of

Batch = tuple[Tensor, Tensor]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.outer, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.head(F.relu(x + self.outer(torch.tanh(self.inner(x)))).mean((2, 3)))


class Then(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def convolutions(*between: nn.Module) -> nn.Module:
    first, second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 5, 3, stride=2)
    return nn.Sequential(first, *between, second, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(45, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: convolutions(nn.ReLU(inplace=True)),
    "batch norm": lambda: convolutions(nn.BatchNorm2d(4), nn.GELU()),
    "pooling": lambda: convolutions(nn.ReLU(), nn.MaxPool2d(3, 1, 1)),
    "residual": Residual,
    "depthwise": lambda: convolutions(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU()),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(128, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)
    ),
}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(128, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def batch() -> Batch:
    return torch.randn(6, 2, 8, 8, dtype=torch.float64), torch.randint(3, (6,))


def found(context: GrowthContext, steps: int) -> list[Candidate]:
    context.generator.manual_seed(0)
    how = GradMaxOpt(steps=steps, side="outgoing")
    return how.propose(dict.fromkeys(context.sites, 3), context)


@pytest.mark.parametrize("network", NETWORKS)
def test_units_that_are_moved_alone_have_the_gradients_of_the_network(network: str) -> None:
    torch.manual_seed(0)
    model = NETWORKS[network]().double()
    context = context_of(model, [batch()])
    with mock.patch.object(LocalUnits, "by_power", return_value=False), no_run_in_the_copy():
        alone = found(context, 3)
    with mock.patch.object(gradmax_opt, "can_run_alone", return_value=False):
        together = found(context, 3)
    assert len(alone) == 3 * len(context.sites)
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, NewUnit) and isinstance(other, NewUnit)
        assert one.site == other.site and one.score is not None and other.score is not None
        assert one.score == pytest.approx(other.score, rel=1e-8) and one.score > 0
        for key, value in other.fills.items():
            torch.testing.assert_close(one.fills[key], value, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    "between",
    [
        [nn.ReLU(), nn.Dropout(0.5)],
        [nn.BatchNorm2d(4).eval(), nn.ReLU()],
        [Then(lambda h: torch.tanh(h + 1))],
        [Then(lambda h: F.prelu(h, h.new_full((1,), 0.2)))],
    ],
    ids=["dropout", "running statistics", "a number", "no single channels"],
)
def test_units_are_moved_in_the_network_where_they_are_not_the_same_alone(between: list[nn.Module]) -> None:
    torch.manual_seed(0)
    model = convolutions(*between).double()
    context = context_of(model, [batch()])
    with pytest.raises(AssertionError, match="'0'"), no_run_in_the_copy():
        found(context, 1)
    assert len(found(context, 1)) == 3 * len(context.sites)


def no_run_in_the_copy() -> Any:
    def refused(how: GradMaxOpt, problems: Any, *rest: Any) -> None:
        raise AssertionError([p.site.name for p in problems])

    return mock.patch.object(GradMaxOpt, "_moved_together", refused)


def test_a_few_steps_of_the_power_method_are_worth_many_of_adam() -> None:
    torch.manual_seed(0)
    model = NETWORKS["relu"]().double()
    context = context_of(model, [batch()])
    gain = sum(c.score**2 for c in found(context, 15) if c.score is not None)
    with mock.patch.object(LocalUnits, "by_power", return_value=False):
        slow = sum(c.score**2 for c in found(context, 100) if c.score is not None)
        few = sum(c.score**2 for c in found(context, 15) if c.score is not None)
    assert gain > 0.97 * slow and gain > 1.03 * few

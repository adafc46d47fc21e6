"""An operation from outside: one record, and everything can follow it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import InputError
from growsearch.graph import Step, Value, operation, rule
from growsearch.surgery import outputs_of, relative_difference

PLUGIN = Path(__file__).parents[1] / "plugin"

PROGRAM = """
import torch
from torch import nn
import growsearch
from growsearch_example.operation import Soften
{register}
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), Soften(), nn.Linear(6, 3))
x, y = torch.randn(16, 4), torch.randn(16, 3)
site = growsearch.trace(model, x).sites["0"]
print(site.kind, *site.path, site.reason)
"""


def _traced(register: str) -> str:
    """What a new process sees of a site in front of the operation."""
    command = [sys.executable, "-c", PROGRAM.format(register=register)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(PLUGIN)}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_an_installed_package_teaches_an_operation() -> None:
    assert _traced("").startswith("exact 1")


class Thrice(nn.Module):
    """What its code does is not looked at."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x)


class Kinked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * x.relu()


def _register() -> None:
    if operation("thrice").per_unit:
        return

    @rule(
        "thrice",
        modules=(Thrice,),
        linearise=lambda path, call, values: 3 * values[0],
        scalar=True,
        per_unit=True,
    )
    def thrice(step: Step) -> list[Value]:
        return step.output(step.input.axes)

    @rule("pointwise", modules=(Kinked,))
    def kinked(step: Step) -> list[Value]:
        return step.output(step.input.axes)


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def network(middle: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), middle, nn.Linear(5, 3))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(16, 4, generator=generator), torch.randn(16, 3, generator=generator)


class ByTorch(nn.Module):
    """The same functions, in operations that are known."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return 3 * self.inner(x)


@pytest.mark.parametrize("how", ["zero", "split", {"gradmax": {"side": "incoming"}}, "gauss_newton"])
def test_a_registered_operation_is_one_call_that_growth_follows(how: object) -> None:
    _register()
    model, data = network(Thrice()), batch()
    graph = growsearch.trace(model, data[0])
    assert graph.sites["0"].path == ("1",) and graph.calls["1"].rule == "thrice"
    before = outputs_of(model, data[0], training=False)

    event = growsearch.grow(model, data[0], {"0": 2}, how, objective=objective, batches=[data] * 8)  # type: ignore[arg-type]

    assert event.sites == {"0": 2}
    if how != "gauss_newton":
        assert relative_difference(before, outputs_of(model, data[0], training=False)) < 1e-5


@pytest.mark.parametrize(("own", "known"), [(Thrice(), nn.Tanh()), (Kinked(), nn.ReLU())], ids=["smooth", "kinked"])
def test_its_derivative_is_what_gradmax_uses(own: nn.Module, known: nn.Module) -> None:
    """As with the same function in torch's own operations: the largest gradient is the same."""
    _register()
    gains = []
    for middle in (own, ByTorch(known)):
        model, data = network(middle), batch()
        growsearch.grow(
            model, data[0], {"0": 2}, {"gradmax": {"side": "incoming"}}, objective=objective, batches=[data]
        )
        objective(model, data).backward()
        gains.append(model.get_parameter("0.weight").grad[-2:].norm().item())  # type: ignore[index]

    assert gains[0] == pytest.approx(gains[1], rel=1e-4) and gains[0] > 0


def test_a_name_that_is_taken_by_another_operation_is_refused() -> None:
    with pytest.raises(InputError, match="'pointwise' is known already, with other properties"):
        rule("pointwise", functions="nothing", scalar=False, per_unit=True)


def test_an_operation_from_outside_can_be_defined_again() -> None:
    """A notebook's cell runs more than once."""
    for scalar in (True, False):
        rule("defined_again", functions="defined_again", per_unit=True, scalar=scalar)
        assert operation("defined_again").scalar == scalar


def test_a_function_joins_an_operation_that_is_known_by_its_name_alone() -> None:
    assert rule("pointwise", functions=()) is not None
    assert operation("pointwise").drawn_as == "label" and operation("nothing at all").linearise is None

"""Differentiable sizes: gates, their derivatives, the laws that the sizes follow."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from growsearch.growth import SoftSize
from growsearch_strategies.soft.controller_mask import ControllerMask
from growsearch_strategies.soft.size_gate import SizeGate


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def theta(n: float) -> float:
    """The gate function as it is written down: 0 below 0, sin^2(pi n / 2) on [0, 1], 1 above."""
    return 0.0 if n < 0 else 1.0 if n > 1 else math.sin(math.pi * n / 2) ** 2


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("size", [-0.5, 0.0, 0.25, 1.0, 2.5, 3.0, 6.75, 9.0])
def test_unit_m_is_multiplied_by_theta_of_n_minus_m_plus_1(size: float) -> None:
    gates = SizeGate().gates(number(size), number(8.0), 8)

    expected = [theta(size - m + 1) for m in range(1, 9)]
    torch.testing.assert_close(gates, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("soft", [SizeGate(), ControllerMask()])
@pytest.mark.parametrize("size", [0.4, 2.5, 6.75])
def test_as_many_units_are_on_as_whole_numbers_fit_and_one_fades_in(soft: SoftSize, size: float) -> None:
    limit = number(8.0)
    state = soft.learner(number(size)[None], limit[None], generator())()[0].detach()

    gates = soft.gates(state, limit, 8)

    assert float(soft.size(state, limit)) == pytest.approx(size)
    assert int((gates == 1).sum()) == math.floor(size)
    assert int(((gates > 0) & (gates < 1)).sum()) == 1
    assert gates[math.floor(size) + 1 :].count_nonzero() == 0
    assert torch.equal(gates, gates.sort(descending=True).values)


def test_the_gate_of_the_unit_that_fades_in_has_the_derivative_of_theta_and_the_others_none() -> None:
    size = number(2.3).requires_grad_()

    slopes = [float(torch.autograd.grad(SizeGate().gates(size, number(8.0), 5)[m], size)[0]) for m in range(5)]

    assert slopes == pytest.approx([0, 0, math.pi / 2 * math.sin(math.pi * 0.3), 0, 0], abs=1e-12)


def test_the_mask_has_the_fraction_that_the_share_leaves() -> None:
    state = number(0.4)
    share = math.sin(math.pi * 0.4 / 2) ** 2

    gates = ControllerMask().gates(state, number(10.0), 10)

    assert gates.tolist() == pytest.approx([min(1, max(0, 10 * share - m)) for m in range(10)])


def test_the_scalar_gain_multiplies_all_units_alike() -> None:
    soft = ControllerMask(scalar_gain=True)

    gates = soft.gates(number(0.4), number(10.0), 10)

    assert gates.tolist() == pytest.approx([math.sin(math.pi * 0.4 / 2) ** 2] * 10)
    assert float(soft.size(number(0.4), number(10.0))) == 10
    assert float(soft.limit(number(10.0))) == 10


def test_without_a_task_the_size_relaxes_exponentially_from_0() -> None:
    """Gradient descent: N_t = N_inf (1 - (1 - 2 strength lr)^t), N_inf (1 - exp(-2 strength lr t)) for small steps."""
    soft, limit = SizeGate(strength=0.5, lr=1e-3), number(6.0)[None]
    learner = soft.learner(number(0.0)[None], limit, generator())
    optimizer = torch.optim.SGD(learner.parameters(), lr=soft.lr)

    for step in range(1, 2001):
        optimizer.zero_grad()
        soft.penalty(learner(), limit).sum().backward()
        optimizer.step()
        if step in (1, 500, 2000):
            size = float(soft.size(learner(), limit).detach())
            assert size == pytest.approx(6 * (1 - (1 - 2 * 0.5 * 1e-3) ** step), rel=1e-9)
            assert size == pytest.approx(6 * (1 - math.exp(-2 * 0.5 * 1e-3 * step)), rel=1e-3)


def test_the_size_loss_of_the_controller_and_its_pull() -> None:
    soft, limit = ControllerMask(lr=0.01), number(16.0)[None]
    learner = soft.learner(number(4.0)[None], limit, generator())
    optimizer = torch.optim.SGD(learner.parameters(), lr=soft.lr)

    assert float(soft.penalty(number(0.25), limit)) == pytest.approx(0.32 * 0.75**2)
    for _ in range(2000):
        optimizer.zero_grad()
        soft.penalty(learner(), limit).sum().backward()
        optimizer.step()
    assert float(soft.size(learner(), limit).detach()) == pytest.approx(16, abs=1e-2)


def test_the_controller_gives_every_site_its_own_start() -> None:
    start, limit = torch.tensor([1.0, 8.0, 4.0]), torch.tensor([16.0, 8.0, 40.0])
    soft = ControllerMask()

    torch.testing.assert_close(soft.size(soft.learner(start, limit, generator())(), limit), start)


@pytest.mark.parametrize("soft", [SizeGate(), ControllerMask(), ControllerMask(scalar_gain=True)])
def test_several_sizes_at_once_are_what_each_is_alone(soft: SoftSize) -> None:
    state = torch.rand(2, 3, dtype=torch.float64, generator=generator()) + 0.1
    limit = torch.full((2, 3), 7.0, dtype=torch.float64)

    found = soft.gates(state, limit, 7)

    assert found.shape == (2, 3, 7)
    assert torch.equal(found[1, 2], soft.gates(state[1, 2], limit[1, 2], 7))
    assert soft.penalty(state, limit).shape == soft.signal(state, limit).shape == (2, 3)


@pytest.mark.parametrize("parameters", [{"start": 1.5}, {"target": 0.0}, {"strength": -1.0}, {"lr": 0.0}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, float]) -> None:
    for kind in (SizeGate, ControllerMask):
        with pytest.raises(ValidationError):
            kind.model_validate(parameters)


def test_a_mask_cannot_start_above_its_most_units() -> None:
    with pytest.raises(ValidationError, match="start 0.9 is above target 0.5"):
        ControllerMask(start=0.9, target=0.5)

"""Splitting: a split changes the loss by half the squared shift times the lowest eigenvalue, and none does better."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthRefused, grow, trace
from growsearch.growth import Split, planned_edits
from growsearch.growth.context import GrowthContext
from growsearch.growth.grow import Allowance
from growsearch.surgery import apply_edits
from growsearch.testing.subjects import objective
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.how.steepest_split import SteepestSplit
from growsearch_strategies.steepest.curvature import SplittingMatrices
from growsearch_strategies.steepest.lowest import by_eigh, by_lanczos
from growsearch_strategies.steepest.smoothing import SmoothKinks

Batch = tuple[Tensor, Tensor]


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 3))


def conv() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def made(build: Callable[[], nn.Module]) -> tuple[nn.Module, Batch]:
    """In evaluation mode and float64, every parameter and statistic random."""
    torch.manual_seed(0)
    model = build().double().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point():
                value.add_(0.3 * torch.randn_like(value))
    shape = (16, 2, 8, 8) if any(isinstance(m, nn.Conv2d) for m in model.modules()) else (16, 5)
    return model, (torch.randn(shape, dtype=torch.float64), torch.randn(16, 3, dtype=torch.float64))


def context_of(model: nn.Module, batches: list[Batch]) -> GrowthContext:
    graph = trace(model, batches[0][0])
    units = {name: site.units for name, site in graph.sites.items() if site.kind == "exact"}
    return GrowthContext(
        model=model,
        graph=graph,
        sites={name: graph.sites[name] for name in units},
        depth_sites={},
        allowance=Allowance(units, units, sum(units.values())),
        generator=torch.Generator().manual_seed(0),
        state={},
        objective=objective,
        batches=batches,
    )


def proposed(model: nn.Module, batches: list[Batch], **parameters: Any) -> list[Split]:
    context = context_of(model, batches)
    plan = {name: site.units for name, site in context.sites.items()}
    found = SteepestSplit(data=len(batches), **parameters).propose(plan, context)
    assert all(isinstance(c, Split) for c in found) and len(found) == sum(plan.values())
    return [c for c in found if isinstance(c, Split)]


def change(model: nn.Module, batches: list[Batch], candidate: Split) -> float:
    grown = copy.deepcopy(model)
    apply_edits(grown, planned_edits(trace(model, batches[0][0]), [candidate]))
    with torch.no_grad():
        return sum(float(objective(grown, b) - objective(model, b)) for b in batches) / len(batches)


@pytest.mark.parametrize("build", [mlp, conv])
def test_the_change_of_the_loss_is_half_the_squared_shift_times_the_eigenvalue(build: Callable[[], nn.Module]) -> None:
    """The ratio goes to 1 with the square of e: the next even order."""
    model, batch = made(build)
    other = made(build)[1]
    errors = []
    for epsilon in (1e-2, 1e-3):
        found = proposed(model, [batch, other], epsilon=epsilon)
        ratios = [change(model, [batch, other], c) / c.predicted_change for c in found if c.predicted_change]
        errors.append(max(abs(ratio - 1) for ratio in ratios))
    assert errors[1] < 2e-4 and errors[1] < 0.05 * errors[0]


@pytest.mark.parametrize("build", [mlp, conv])
def test_no_other_direction_of_that_length_lowers_the_loss_further(build: Callable[[], nn.Module]) -> None:
    model, batch = made(build)
    generator = torch.Generator().manual_seed(3)
    for best in proposed(model, [batch], epsilon=1e-3):
        [key] = [key for key in best.shifts if key[0].endswith(".weight") and best.shifts[key][0].ndim > 1]
        length = best.shifts[key][0].norm()
        at_best = change(model, [batch], best)
        for _ in range(10):
            drawn = torch.randn(best.shifts[key][0].shape, generator=generator, dtype=torch.float64)
            drawn = drawn * (length / drawn.norm())
            other = copy.copy(best)
            object.__setattr__(other, "shifts", {key: (drawn, -drawn)})
            assert change(model, [batch], other) >= at_best - 1e-15


def matrices(model: nn.Module, batch: Batch, sharpness: float = 4.0) -> SplittingMatrices:
    context = context_of(model, [batch])
    every = {name: range(site.units) for name, site in context.sites.items()}
    problems = site_problems(model, context.graph, list(context.sites.values()), every)
    with eval_no_dropout(model):
        return SplittingMatrices(SurrogateProblem(model, objective, problems, "auto"), [batch], sharpness)


def test_the_matrix_is_that_of_the_paper() -> None:
    """S = E[dL/da phi''(z) x x'] for a linear layer and tanh, in closed form."""
    model, batch = made(lambda: nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)))
    found = matrices(model, batch)
    x = batch[0]
    a = torch.tanh(model[0](x)).detach().requires_grad_()
    [g] = torch.autograd.grad(nn.functional.mse_loss(model[2](a), batch[1]), a)
    second = -2 * a.detach() * (1 - a.detach() ** 2)
    expected = torch.einsum("nu,ni,nj->uij", g * second, x, x)

    columns = [found.times({"0": torch.eye(5).double()[j].expand(6, 5)})["0"] for j in range(5)]

    torch.testing.assert_close(torch.stack(columns, 2), expected, rtol=1e-9, atol=1e-14)


def test_matrix_free_pairs_are_those_of_the_whole_matrix() -> None:
    """With as many products as weights exactly; with a third of them the value is near from above."""
    model, batch = made(conv)
    found = matrices(model, batch)

    def products(vectors: Tensor) -> Tensor:
        return found.times({"4": vectors})["4"]

    start = torch.randn(4, 36, generator=torch.Generator().manual_seed(1)).double()
    values, vectors = by_eigh(products, start)
    lowest, directions = by_lanczos(products, start, 36)
    near, _ = by_lanczos(products, start, 12)

    torch.testing.assert_close(lowest, values, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(directions, vectors, rtol=0, atol=1e-5)
    assert bool((near >= values - 1e-12).all()) and bool((near <= 0.9 * values).all())


def test_a_krylov_space_that_ends_early_gives_its_own_lowest_pair() -> None:
    """Of low rank, or zero: no division by zero, and no eigenvalue that is none."""
    u = torch.nn.functional.normalize(torch.randn(3, 7, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    signs = torch.tensor([[-2.0], [3.0], [0.0]]).double()

    values, vectors = by_lanczos(lambda v: signs * (v * u).sum(1, keepdim=True) * u, torch.ones(3, 7).double(), 7)

    torch.testing.assert_close(values, torch.tensor([-2.0, 0.0, 0.0]).double(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close((vectors[0] @ u[0]).abs(), torch.tensor(1.0).double())


def test_a_kink_is_smoothed_to_softplus() -> None:
    z = torch.linspace(-2, 2, 9).double().requires_grad_()
    width = float(z.detach().square().mean().sqrt()) / 4.0
    expected = (torch.sigmoid(z / width) * (1 - torch.sigmoid(z / width)) / width).detach()
    for kinked in (nn.ReLU(), nn.ReLU(inplace=True), torch.relu, lambda x: (x * 1).relu_(), lambda x: x.clamp(min=0)):
        with SmoothKinks(4.0):
            value = kinked(z * 1)
        [slope] = torch.autograd.grad(value.sum(), z, create_graph=True)
        torch.testing.assert_close(torch.autograd.grad(slope.sum(), z)[0], expected)


def test_without_curvature_splits_are_refused() -> None:
    model, batch = made(lambda: nn.Sequential(nn.Linear(5, 6), nn.Linear(6, 3)))
    with pytest.raises(GrowthRefused, match="second derivative"):
        grow(model, batch[0], {"0": 2}, "steepest_split", objective=objective, batches=[batch])


def test_where_splitting_takes_what_lowers_the_loss_and_nothing_else() -> None:
    from growsearch_strategies.where.splitting import Splitting

    model, batch = made(mlp)
    context = context_of(model, [batch])
    found = proposed(model, [batch])
    chosen = Splitting().select(found, context)

    predicted = [c.predicted_change for c in chosen if c.predicted_change is not None]
    assert predicted == sorted(predicted) and predicted[-1] < 0
    assert len(chosen) == sum(c.predicted_change < 0 for c in found if c.predicted_change is not None)

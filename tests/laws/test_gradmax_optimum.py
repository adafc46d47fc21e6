"""Law 2: GradMax reaches the largest gradient that equal-norm, orthogonal outgoing weights can have."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth.statistics import decompose
from growsearch.growth.statistics.decompose import BlockKrylov, Dense, exact

UNITS = 2
SCALE = 0.7
GEOMETRIES = [
    (k1, s1, p1, d1, k2, s2, p2, d2)
    for (k1, k2), (s1, s2), (p1, p2), (d1, d2) in itertools.product(
        [(1, 3), (3, 3), (5, 1), (3, 5)],
        [(1, 1), (2, 1), (1, 2), (2, 2)],
        [(0, 0), (1, 1), (2, 0)],
        [(1, 1), (2, 1), (1, 2)],
    )
    if p1 < k1 and p2 < k2 and not (k1 == 1 and d1 == 2) and not (k2 == 1 and d2 == 2)
]


class Pair(nn.Module):
    """Two layers with an activation between them, and a smooth read-out."""

    def __init__(self, first: nn.Module, second: nn.Module, act: nn.Module, between: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.act, self.between, self.second = first, act, between or nn.Identity(), second

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.between(self.act(self.first(x))))


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return (torch.tanh(model(batch[0]) - batch[1]) ** 2).mean()


def conv_pair(geometry: tuple[int, ...], act: nn.Module) -> tuple[Pair, tuple[Tensor, Tensor]]:
    k1, s1, p1, d1, k2, s2, p2, d2 = geometry
    size = 23 if k2 == 5 else 11
    torch.manual_seed(0)
    first = nn.Conv2d(2, 3, k1, s1, p1, d1)
    second = nn.Conv2d(3, 4, k2, s2, p2, d2)
    model = Pair(first, second, act).double()
    x = torch.randn(5, 2, size, size + 1, dtype=torch.float64)
    return model, (x, torch.randn(model(x).shape, dtype=torch.float64))


def second_derivative(model: Pair, batch: tuple[Tensor, Tensor], rows: Callable[[Tensor], Tensor]) -> Tensor:
    """By autograd: the mixed derivative of the loss by one new unit's outgoing and incoming weights, at zero."""
    wide = copy.deepcopy(model)
    for layer, axis in ((wide.first, 0), (wide.second, 1)):
        weight = layer.weight.data
        extra = torch.zeros_like(weight.narrow(axis, 0, 1))
        layer.weight = nn.Parameter(torch.cat([weight, extra], axis))
        if axis == 0 and layer.bias is not None:
            layer.bias = nn.Parameter(torch.cat([layer.bias.data, layer.bias.data.new_zeros(1)]))
    loss = objective(wide, batch)
    (incoming,) = torch.autograd.grad(loss, wide.first.weight, create_graph=True)
    columns = [
        torch.autograd.grad(g, wide.second.weight, retain_graph=True)[0].narrow(1, wide.second.weight.shape[1] - 1, 1)
        for g in incoming[-1].flatten()
    ]
    return torch.stack([rows(c) for c in columns], 1)


def grown_gradient(model: Pair, batch: tuple[Tensor, Tensor], how: dict[str, dict[str, object]]) -> Tensor:
    """Squared gradient norm of each new unit's incoming weights after a growth of `first`."""
    x = batch[0]
    growsearch.grow(model, x, {"first": UNITS}, how, objective=objective, batches=[batch])
    model.zero_grad()
    objective(model, batch).backward()
    weight = model.first.weight
    assert weight.grad is not None
    return weight.grad[-UNITS:].flatten(1).square().sum(1).detach()


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: "k{}s{}p{}d{}-k{}s{}p{}d{}".format(*g))
def test_gradient_norm_is_the_optimum_of_brute_force(geometry: tuple[int, ...]) -> None:
    model, batch = conv_pair(geometry, nn.Tanh())
    sigma = torch.linalg.svdvals(second_derivative(model, batch, lambda c: c.flatten()))
    norm = SCALE * model.second.weight.detach().transpose(0, 1).flatten(1).norm(dim=1).mean()
    gradient = grown_gradient(model, batch, {"gradmax": {"scale": SCALE}})
    assert float(gradient.sum()) == pytest.approx(float(norm**2 * (sigma[:UNITS] ** 2).sum()), rel=1e-4)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_named_paddings_are_exact(padding: str) -> None:
    torch.manual_seed(0)
    model = Pair(nn.Conv2d(2, 3, 4, padding=padding), nn.Conv2d(3, 4, 3, padding=padding), nn.Tanh()).double()
    x = torch.randn(4, 2, 9, 10, dtype=torch.float64)
    batch = (x, torch.randn(model(x).shape, dtype=torch.float64))
    sigma = torch.linalg.svdvals(second_derivative(model, batch, lambda c: c.flatten()))
    norm = model.second.weight.detach().transpose(0, 1).flatten(1).norm(dim=1).mean()
    gradient = grown_gradient(model, batch, {"gradmax": {"scale": 1.0}})
    assert float(gradient.sum()) == pytest.approx(float(norm**2 * (sigma[:UNITS] ** 2).sum()), rel=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "between", "shape"),
    [
        (nn.Linear(7, 5), nn.Linear(5, 6), None, (9, 7)),
        (nn.Linear(7, 5), nn.Linear(5, 6), None, (4, 3, 7)),
        (nn.Conv1d(2, 4, 3, stride=2), nn.Conv1d(4, 3, 3, padding=1), None, (4, 2, 13)),
        (nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), (4, 2, 12, 12)),
        (nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3), nn.AvgPool2d(3, 2, 1), (4, 2, 12, 12)),
        (nn.Conv2d(2, 3, 3), nn.Linear(3 * 36, 5), nn.Flatten(), (4, 2, 8, 8)),
        (nn.Conv2d(2, 3, 3), nn.Linear(3 * 4, 5), nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), (4, 2, 8, 8)),
        (nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2), (4, 2, 6, 6)),
    ],
    ids=["linear", "tokens", "conv1d", "max_pool", "average_pool", "flatten", "pooled_flatten", "upsample"],
)
def test_every_way_between_the_layers_is_exact(
    first: nn.Module, second: nn.Module, between: nn.Module | None, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    model = Pair(first, second, nn.Tanh(), between).double()
    x = torch.randn(shape, dtype=torch.float64)
    batch = (x, torch.randn(model(x).shape, dtype=torch.float64))
    slots = second.weight.shape[1] // first.weight.shape[0]
    old = second.weight.shape[1]
    norm = float(
        second.weight.detach()
        .reshape(second.weight.shape[0], -1, slots, *second.weight.shape[2:])
        .transpose(0, 1)
        .flatten(1)
        .norm(dim=1)
        .mean()
    )
    best = _best(model, batch, old, slots)
    gradient = grown_gradient(model, batch, {"gradmax": {"scale": 1.0}})
    assert float(gradient.sum()) == pytest.approx(norm**2 * best, rel=1e-4)


def _best(model: Pair, batch: tuple[Tensor, Tensor], old: int, slots: int) -> float:
    wide = copy.deepcopy(model)
    for layer, axis, extra in ((wide.first, 0, 1), (wide.second, 1, slots)):
        weight = layer.weight.data
        shape = list(weight.shape)
        shape[axis] = extra
        layer.weight = nn.Parameter(torch.cat([weight, weight.new_zeros(shape)], axis))
        if axis == 0:
            layer.bias = nn.Parameter(torch.cat([layer.bias.data, layer.bias.data.new_zeros(1)]))
    (incoming,) = torch.autograd.grad(objective(wide, batch), wide.first.weight, create_graph=True)
    columns = [
        torch.autograd.grad(g, wide.second.weight, retain_graph=True)[0][:, old:].flatten()
        for g in incoming[-1].flatten()
    ]
    sigma = torch.linalg.svdvals(torch.stack(columns, 1))
    return float((sigma[:UNITS] ** 2).sum())


def test_no_random_orthogonal_draw_beats_it() -> None:
    model, batch = conv_pair((3, 2, 1, 1, 3, 2, 1, 1), nn.Tanh())
    matrix = second_derivative(model, batch, lambda c: c.flatten())
    best = float((torch.linalg.svdvals(matrix)[:UNITS] ** 2).sum())
    draws = torch.linalg.qr(torch.randn(1000, matrix.shape[0], UNITS, dtype=torch.float64)).Q
    reached = (draws.transpose(1, 2) @ matrix).square().sum((1, 2))
    gradient = grown_gradient(model, batch, {"gradmax": {"scale": 1.0, "norm": "fixed"}})
    assert float(gradient.sum()) == pytest.approx(best, rel=1e-4)
    assert float(reached.max()) < float(gradient.sum())


@pytest.mark.parametrize("bias", [True, False])
def test_units_behind_a_plain_relu_learn(bias: bool) -> None:
    """With a bias they see the whole optimum; without one, those samples that their direction lets through."""
    torch.manual_seed(0)
    model = Pair(nn.Linear(7, 5, bias=bias), nn.Linear(5, 6), nn.ReLU()).double()
    x = torch.randn(40, 7, dtype=torch.float64)
    batch = (x, torch.randn(40, 6, dtype=torch.float64))
    before = model(x).detach()
    sigma = torch.linalg.svdvals(_linear_matrix(model, batch))
    norm = float(model.second.weight.detach().norm(dim=0).mean())
    gradient = grown_gradient(model, batch, {"gradmax": {"scale": 1.0, "side": "incoming"}})
    assert torch.allclose(model(x), before, rtol=1e-5, atol=1e-6)
    share = float(gradient.sum()) / float(norm**2 * (sigma[:UNITS] ** 2).sum())
    assert share == pytest.approx(1.0, rel=1e-4) if bias else 0.1 < share < 1.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.step()
    assert float(model.first.weight[-UNITS:].detach().norm(dim=1).min()) > 1e-4


def _linear_matrix(model: Pair, batch: tuple[Tensor, Tensor]) -> Tensor:
    y = model(batch[0])
    (g,) = torch.autograd.grad((torch.tanh(y - batch[1]) ** 2).mean(), y)
    return g.T @ batch[0]


def test_zero_units_behind_a_plain_relu_would_not_learn() -> None:
    """Negative control for the activation epsilon: at exactly zero, PyTorch's ReLU passes no gradient."""
    z = torch.zeros(3, requires_grad=True)
    F.relu(z).sum().backward()
    assert z.grad is not None and float(z.grad.abs().sum()) == 0.0


def test_several_producers_and_consumers_are_stacked() -> None:
    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(4, 5)
            self.p, self.q = nn.Linear(5, 3), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.tanh(self.a(x) + self.b(x))
            return torch.cat([self.p(h), self.q(h)], 1)

    torch.manual_seed(0)
    model = Stream().double()
    x = torch.randn(30, 4, dtype=torch.float64)
    batch = (x, torch.randn(30, 5, dtype=torch.float64))
    y = model(x)
    (g,) = torch.autograd.grad((torch.tanh(y - batch[1]) ** 2).mean(), y)
    sigma = torch.linalg.svdvals(torch.cat([g.T @ x, g.T @ x], 1))
    outgoing = torch.cat([model.p.weight, model.q.weight]).detach().norm(dim=0).mean()
    growsearch.grow(model, x, {"a": 2}, {"gradmax": {"scale": 1.0}}, objective=objective, batches=[batch])
    objective(model, batch).backward()
    gradient = sum(float(m.weight.grad[-2:].square().sum()) for m in (model.a, model.b))
    assert gradient == pytest.approx(float(outgoing**2 * (sigma[:2] ** 2).sum()), rel=1e-4)


def test_grouped_units_are_optimal_channel_by_channel() -> None:
    torch.manual_seed(0)
    model = Pair(nn.Conv2d(4, 6, 3, groups=2), nn.Conv2d(6, 4, 3, groups=2), nn.Tanh()).double()
    x = torch.randn(4, 4, 9, 9, dtype=torch.float64)
    batch = (x, torch.randn(model(x).shape, dtype=torch.float64))
    halves = []
    for group in range(2):
        part = Pair(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3), nn.Tanh()).double()
        part.first.weight.data, part.first.bias.data = (
            model.first.weight.data[group * 3 : group * 3 + 3],
            model.first.bias.data[group * 3 : group * 3 + 3],
        )
        part.second.weight.data, part.second.bias.data = (
            model.second.weight.data[group * 2 : group * 2 + 2],
            model.second.bias.data[group * 2 : group * 2 + 2],
        )
        own = (x[:, group * 2 : group * 2 + 2], batch[1][:, group * 2 : group * 2 + 2])
        # The mean over both groups' outputs halves each group's loss.
        sigma = torch.linalg.svdvals(second_derivative(part, own, lambda c: c.flatten())) / 2
        norm = part.second.weight.detach().transpose(0, 1).flatten(1).norm(dim=1).mean()
        halves.append(float(norm**2 * (sigma[:2] ** 2).sum()))
    growsearch.grow(model, x, {"first": 4}, {"gradmax": {"scale": 1.0}}, objective=objective, batches=[batch])
    assert model.first.out_channels == 10
    objective(model, batch).backward()
    new = model.first.weight.grad[[3, 4, 8, 9]]
    assert float(new.square().sum()) == pytest.approx(sum(halves), rel=1e-4)


@pytest.mark.parametrize("units", [1, 16])
@pytest.mark.parametrize("decay", [1.0, 0.5, 0.0], ids=["linear", "root", "flat"])
def test_matrix_free_iteration_reaches_the_dense_optimum(decay: float, units: int) -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.linalg.qr(torch.randn(400, 300, generator=generator)).Q
    v = torch.linalg.qr(torch.randn(350, 300, generator=generator)).Q
    index = torch.arange(1, 301)
    values = index**-decay if decay else 1 - index / 600
    matrix = (u * values) @ v.T
    dense = exact(matrix, units, generator)
    iteration = BlockKrylov(400, 350, units, generator, matrix)
    while not iteration.done:
        iteration.update(Dense(matrix), 1.0)
        iteration.end_pass()
    found = iteration.result()
    optimum = float((dense.values**2).sum())
    assert float((found.values**2).sum()) >= 0.995 * optimum
    assert float((found.left @ matrix).square().sum()) >= 0.995 * optimum
    assert torch.allclose(found.left @ found.left.T, torch.eye(units), atol=1e-4)


def test_matrix_free_iteration_ends_on_a_zero_and_on_a_small_matrix() -> None:
    for matrix in (torch.zeros(30, 20), torch.randn(9, 20, generator=torch.Generator().manual_seed(0))):
        iteration = BlockKrylov(*matrix.shape, 12, torch.Generator().manual_seed(1), matrix)
        while not iteration.done:
            iteration.update(Dense(matrix), 1.0)
            iteration.end_pass()
        found = iteration.result()
        assert found.left.shape == (12, len(matrix))
        wanted = torch.linalg.svdvals(matrix)[:9]
        assert torch.allclose(found.values[:9], wanted[:9], atol=1e-4)


def test_matrix_free_iteration_ends_after_some_passes_whatever_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompose, "TOLERANCE", -1.0)  # nothing is ever close enough
    matrix = torch.randn(400, 400, generator=torch.Generator().manual_seed(0))
    iteration, passes = BlockKrylov(400, 400, 4, torch.Generator().manual_seed(1), matrix), 0
    while not iteration.done:
        iteration.update(Dense(matrix), 1.0)
        iteration.end_pass()
        passes += 1
    assert passes == decompose.MAX_PASSES


@pytest.mark.parametrize("act", [nn.Tanh(), nn.ReLU()], ids=["tanh", "relu"])
def test_gradmax_opt_comes_close_to_the_optimum(act: nn.Module) -> None:
    model, batch = conv_pair((3, 1, 1, 1, 3, 2, 1, 1), act)
    other = copy.deepcopy(model)
    best = float(grown_gradient(model, batch, {"gradmax": {"scale": 1.0, "side": "incoming"}}).sum())
    assert float(grown_gradient(other, batch, {"gradmax_opt": {"scale": 1.0, "side": "incoming"}}).sum()) >= 0.95 * best


def test_gradmax_opt_enlarges_the_gradient_at_the_outgoing_side() -> None:
    """There it has no closed form: the incoming weights act through the activation."""
    model, batch = conv_pair((3, 1, 1, 1, 3, 1, 1, 1), nn.GELU())
    reached = {}
    for how in ("gradmax_opt", "random"):
        grown = copy.deepcopy(model)
        growsearch.grow(
            grown,
            batch[0],
            {"first": 1},
            {how: {"scale": 1.0, "side": "outgoing"}},
            objective=objective,
            batches=[batch],
        )
        objective(grown, batch).backward()
        assert float(grown.second.weight.detach()[:, -1].norm()) == 0.0
        reached[how] = float(grown.second.weight.grad[:, -1].norm())
    assert reached["gradmax_opt"] > 1.2 * reached["random"]


@pytest.mark.parametrize("units", [9, 40])
def test_more_units_than_the_rank_are_defined(units: int) -> None:
    torch.manual_seed(0)
    model = Pair(nn.Linear(7, 5), nn.Linear(5, 3), nn.Tanh())
    x = torch.randn(20, 7)
    batch = (x, torch.randn(20, 3))
    event = growsearch.grow(model, x, {"first": units}, "gradmax", objective=objective, batches=[batch])
    assert event.sites == {"first": units}
    assert bool(torch.isfinite(model.second.weight).all())


def test_zero_gradient_and_zero_weights_are_defined() -> None:
    model = Pair(nn.Linear(4, 5), nn.Linear(5, 3), nn.Tanh())
    nn.init.zeros_(model.second.weight)
    x = torch.randn(20, 4)
    batch = (x, model(x).detach())
    growsearch.grow(model, x, {"first": 2}, "gradmax", objective=objective, batches=[batch])
    assert float(model.second.weight.detach()[:, -1].norm()) > 0


def test_a_diverged_loss_is_refused() -> None:
    model = Pair(nn.Linear(4, 5), nn.Linear(5, 3), nn.Tanh())
    x = torch.randn(20, 4)
    batch = (x, torch.full((20, 3), float("nan")))
    with pytest.raises(growsearch.GrowthFailed, match="diverged"):
        growsearch.grow(model, x, {"first": 2}, "gradmax", objective=objective, batches=[batch])
    assert model.first.out_features == 5


def test_statistics_leave_gradients_statistics_and_random_state() -> None:
    torch.manual_seed(0)
    model = Pair(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5)))
    x = torch.randn(8, 2, 9, 9)
    batch = (x, torch.zeros(8, 4, 5, 5))
    objective(model, batch).backward()
    model.zero_grad()
    mean = model.act[0].running_mean.clone()
    state = torch.get_rng_state()
    graph = growsearch.trace(model, x)
    from growsearch.growth.statistics.triplets import gradient_triplets

    gradient_triplets(model, graph, {"first": 2}, objective, [batch], torch.Generator())
    assert torch.equal(mean, model.act[0].running_mean)
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())

"""TINY: what it says of the loss is so to first order, and no other units of that size do better."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import GrowthRefused, grow, trace
from growsearch.growth.statistics.sweep import Statistics
from growsearch.surgery import outputs_of
from growsearch.testing.subjects import objective
from growsearch_strategies.tiny.bottleneck import Bottleneck, ExpressivityBottleneck
from growsearch_strategies.tiny.patches import inverse, patches

Batch = tuple[Tensor, Tensor]


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def conv(stride: int = 2, padding: int | str = 1, dilation: int = 1) -> nn.Sequential:
    first = nn.Conv2d(2, 3, 3, stride=stride, padding=padding if isinstance(padding, int) else 1)
    second = nn.Conv2d(3, 4, 3, padding=padding if stride == 2 else "same", dilation=dilation)
    return nn.Sequential(first, nn.GELU(), second, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3))


def made(build: Callable[[], nn.Module], count: int = 64) -> tuple[nn.Module, Batch]:
    torch.manual_seed(0)
    model = build().double()
    shape = (count, 2, 7, 7) if any(isinstance(m, nn.Conv2d) for m in model.modules()) else (count, 5)
    inputs = torch.randn(shape, dtype=torch.float64)
    model(inputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model, (inputs, torch.randn(count, 3, dtype=torch.float64))


def bottleneck(model: nn.Module, batches: list[Batch], site: str = "0") -> Bottleneck:
    graph = trace(model, batches[0][0])
    return Statistics(model, graph, objective, batches, torch.Generator()).get(ExpressivityBottleneck(site))


def loss_of(model: nn.Module, batch: Batch) -> float:
    with torch.no_grad():
        return float(objective(model, batch))


def layers_of(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    return model.get_submodule("0"), model.get_submodule("2")


def test_what_the_layer_can_do_by_itself_is_the_natural_gradient() -> None:
    """dW = E[g h'] E[h h']^-1 in closed form, and tr(M dW) by a finite difference of the loss along it."""
    model, batch = made(mlp)
    hidden = model[1](model[0](batch[0])).detach()
    outputs = model[2](hidden).detach().requires_grad_()
    g = len(hidden) * torch.autograd.grad(F.mse_loss(outputs, batch[1]), outputs)[0]
    change = (g.T @ hidden / 64) @ torch.linalg.inv(hidden.T @ hidden / 64)
    found = bottleneck(model, [batch])

    assert found.within == pytest.approx(float(((g.T @ hidden / 64) * change).sum()), rel=1e-9)
    before = loss_of(model, batch)
    with torch.no_grad():
        model[2].weight -= 1e-6 * change
    assert (loss_of(model, batch) - before) / -1e-6 == pytest.approx(found.within, rel=1e-4)


@pytest.mark.parametrize(
    "build", [mlp, conv, lambda: conv(1, 0), lambda: conv(2, "valid"), lambda: conv(1, 2, 2)], ids=range(5)
)
def test_units_are_whitened_and_match_the_residual(build: Callable[[], nn.Module]) -> None:
    """E[(a'x)^2] = 1 of each, and the residual wish -(g - dW h) has the inner product s_k with what they add."""
    model, batch = made(build)
    first, second = layers_of(model)
    found = bottleneck(model, [batch])
    count = min(3, len(found.values))
    seen: dict[str, Tensor] = {}
    handle = second.register_forward_hook(lambda _, args, out: seen.update(h=args[0], y=out))
    loss = objective(model, batch)
    handle.remove()
    g = 64 * torch.autograd.grad(loss, seen["y"])[0]
    rows = patches(second, seen["h"])
    moved = g.movedim(1, -1).flatten(0, -2)
    dw = (moved.T @ rows) @ torch.linalg.pinv(rows.T @ rows, rcond=1e-9)
    residual = moved - rows @ dw.T
    x = patches(first, batch[0])
    moment = x.T @ x / 64
    slope = float(torch.func.grad(model[1])(torch.tensor(0.0).double()))

    assert found.slope == pytest.approx(slope)
    for k in range(count):
        incoming, outgoing = found.incoming[k], found.outgoing[k]
        assert float(incoming @ moment @ incoming) == pytest.approx(1.0, rel=1e-6)
        assert float(outgoing.norm()) == pytest.approx(1.0, rel=1e-9)
        z = _apply(first, batch[0], incoming)
        added = patches(second, slope * z) @ outgoing.reshape(len(second.weight), -1).T
        assert float(-(residual * added).sum() / 64) == pytest.approx(slope * float(found.values[k]), rel=1e-6)


def _apply(layer: nn.Module, x: Tensor, vector: Tensor) -> Tensor:
    """One unit of a layer, without bias."""
    weight = vector.reshape(1, *layer.get_parameter("weight").shape[1:])
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    assert isinstance(layer, nn.Conv2d)
    return F.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation)


def test_no_other_unit_of_that_size_matches_the_residual_better() -> None:
    """Of 2,000 random pairs with E[(a'x)^2] = 1 and |omega| = 1; and the value is that of the formula for N."""
    model, batch = made(mlp)
    x, hidden = batch[0], model[1](model[0](batch[0])).detach()
    outputs = model[2](hidden).detach().requires_grad_()
    g = 64 * torch.autograd.grad(F.mse_loss(outputs, batch[1]), outputs)[0]
    dw = (g.T @ hidden) @ torch.linalg.inv(hidden.T @ hidden)
    n = -x.T @ g / 64 + (x.T @ hidden / 64) @ dw.T
    root = inverse(x.T @ x / 64, -0.5)
    found = bottleneck(model, [batch])
    torch.testing.assert_close(found.values, torch.linalg.svdvals(root @ n), rtol=1e-9, atol=1e-12)
    generator = torch.Generator().manual_seed(1)
    incoming = F.normalize(torch.randn(2000, 5, generator=generator, dtype=torch.float64), dim=1) @ root
    outgoing = F.normalize(torch.randn(2000, 3, generator=generator, dtype=torch.float64), dim=1)

    matched = (incoming @ n * outgoing).sum(1)

    assert float(matched.max()) <= float(found.values[0]) * (1 + 1e-9)
    assert float(matched.max()) > 0.7 * float(found.values[0])


@pytest.mark.parametrize("build", [mlp, conv])
def test_the_loss_changes_as_predicted_where_the_amplitude_is_small(build: Callable[[], nn.Module]) -> None:
    ratios = []
    for amplitude in (1e-4, 1e-6):
        model, batch = made(build)
        with mock.patch("growsearch_strategies.how.tiny.AMPLITUDES", (amplitude,)):
            event = grow(model, batch[0], {"0": 2}, "tiny", objective=objective, batches=[batch])
        assert event.predicted_change is not None and event.measured_change is not None
        ratios.append(event.measured_change / event.predicted_change)
    assert abs(ratios[1] - 1) < 1e-2 and abs(ratios[1] - 1) < 0.2 * abs(ratios[0] - 1) + 1e-4


def test_where_the_layer_is_at_its_own_best_the_fall_is_the_sum_of_squares() -> None:
    """With the last layer solved by least squares nothing is left to it, and -dL = amplitude phi'(0) sum s^2."""
    model, batch = made(mlp)
    with torch.no_grad():
        hidden = torch.cat([model[1](model[0](batch[0])), torch.ones(64, 1).double()], 1)
        solved = torch.linalg.lstsq(hidden, batch[1]).solution
        model[2].weight.copy_(solved[:4].T)
        model[2].bias.copy_(solved[4])
    found = bottleneck(model, [batch])
    assert found.within == pytest.approx(0.0, abs=1e-18)

    with mock.patch("growsearch_strategies.how.tiny.AMPLITUDES", (1e-7,)):
        event = grow(model, batch[0], {"0": 2}, "tiny", objective=objective, batches=[batch])

    assert event.predicted_change == pytest.approx(-1e-7 * found.gain(2), rel=1e-3)
    assert event.measured_change == pytest.approx(-1e-7 * found.gain(2), rel=1e-2)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_the_amplitude_that_is_found_lowers_the_loss(activation: Callable[[], nn.Module]) -> None:
    model, batch = made(lambda: nn.Sequential(nn.Linear(5, 4), activation(), nn.Linear(4, 3)))
    event = grow(model, batch[0], {"0": 3}, "tiny", objective=objective, batches=[batch])
    assert event.measured_change is not None and event.measured_change < -1e-3
    assert event.sites == {"0": 3}


def test_several_batches_are_one_of_all_their_samples() -> None:
    model, batch = made(mlp)
    halves = [(batch[0][:24], batch[1][:24]), (batch[0][24:], batch[1][24:])]
    whole, parts = bottleneck(model, [batch]), bottleneck(model, halves)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-9, atol=1e-12)
    assert parts.within == pytest.approx(whole.within, rel=1e-9)


def test_a_layer_that_lacks_nothing_gets_no_units() -> None:
    """Targets that the layers that are there give exactly: no gradient, no bottleneck."""
    model, batch = made(mlp)
    exact = (batch[0], outputs_of(model, batch[0], training=False))
    with pytest.raises(GrowthRefused, match="nothing to add"):
        grow(model, batch[0], {"0": 2}, "tiny", objective=objective, batches=[exact])

"""GradMax through constants and trained scales on the way: they are linear in the units."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused
from growsearch.growth.statistics.triplets import gradient_triplets


class Scaled(nn.Module):
    """A scale for each channel, a buffer, and a weight that is made of several, as in a weighted sum of features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)
        self.scale = nn.Parameter(torch.rand(6, 1) + 0.5)
        self.shares = nn.Parameter(torch.rand(2))
        self.register_buffer("gain", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        shares = self.shares.relu() / (self.shares.relu().sum() + 1e-4)
        return self.last(self.first(x) * self.scale.view(-1) * self.gain / shares[1])


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 12), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.first(x).chunk(2, -1)
        return self.last(value * gate.sigmoid())


class ByInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x) * x.mean(1, keepdim=True))


def objective(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).square().sum(1).mean()


def test_the_gradient_matrix_counts_every_factor_on_the_way() -> None:
    """Against autograd: the gradient of incoming weights 0 under outgoing weights u is u M."""
    torch.manual_seed(0)
    model, x = Scaled().double(), torch.randn(5, 4, dtype=torch.float64)
    graph = growsearch.trace(model, x)
    found = gradient_triplets(model, graph, {"first": 3}, objective, [x], torch.Generator().manual_seed(0))["first"][0]
    matrix = found.left.T @ found.values.diag() @ found.right
    output = model(x).detach().requires_grad_()
    gradient = torch.autograd.grad(output.square().sum(1).mean(), output)[0]
    share = model.shares.relu() / (model.shares.relu().sum() + 1e-4)
    # A new unit has the scale 1.
    expected = 0.5 / share[1] * (gradient.T @ x)
    assert torch.allclose(matrix.double(), expected, atol=1e-5)


@pytest.mark.parametrize("side", ["incoming", "outgoing"])
def test_gradmax_grows_through_a_trained_scale(side: str) -> None:
    torch.manual_seed(0)
    model, x = Scaled(), torch.randn(5, 4)
    before = model(x)
    growsearch.grow(model, x, {"first": 2}, {"gradmax": {"side": side}}, objective=objective, batches=[x])
    assert torch.allclose(model(x), before, atol=1e-6)
    zero = model.first.weight[6:] if side == "incoming" else model.last.weight[:, 6:]
    loss = objective(model, x)
    assert not zero.any() and loss.isfinite()
    loss.backward()
    grad = model.first.weight.grad[6:] if side == "incoming" else model.last.weight.grad[:, 6:]
    assert grad.norm() > 0


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Gate(), "a unit is 2 channels of 'first' and 1 of 'last'|split"), (ByInput(), "the input decides")],
)
def test_what_is_not_linear_is_refused_by_its_name(model: nn.Module, reason: str) -> None:
    x = torch.randn(5, 4)
    with pytest.raises(GrowthRefused, match=reason) as error:
        growsearch.grow(model, x, {"first": 2}, "gradmax", objective=objective, batches=[x])
    assert "item" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv1d(2, 4, 1), nn.Conv1d(4, 4, 3, groups=4), nn.Conv1d(4, 2, 1)), (5, 2, 6)),
        (
            nn.Sequential(
                nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", groups=4), nn.Conv2d(4, 2, 1)
            ),
            (5, 2, 6, 6),
        ),
    ],
)
def test_a_layer_of_each_channel_that_has_no_form_for_the_matrix_is_refused(
    model: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.randn(*shape)
    assert growsearch.trace(model, x).sites["0"].kind == "exact"
    with pytest.raises(GrowthRefused):
        growsearch.grow(model, x, {"0": 1}, "gradmax", objective=objective, batches=[x])
    growsearch.grow(model, x, {"0": 1}, "random")


def test_deep_networks_grow_at_their_end() -> None:
    """What depends on the input is not followed back call by call: a deep network would exhaust the stack."""
    torch.manual_seed(0)
    layers = [layer for _ in range(400) for layer in (nn.Linear(2, 2), nn.Identity())]
    model, x = nn.Sequential(*layers, nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)), torch.randn(4, 2)

    growsearch.grow(model, x, {"800": 1})

    assert model[800].out_features == 4


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_the_gradient_matrix_counts_the_slope_of_the_activation(kind: str) -> None:
    """SiLU has the slope 1/2 at zero, which scales all of the matrix: that of the loss by both sides, by autograd."""
    torch.manual_seed(0)
    ends = (nn.Linear(4, 6), nn.Linear(6, 3)) if kind == "linear" else (nn.Conv2d(2, 4, 1), nn.Conv2d(4, 3, 1))
    model = nn.Sequential(ends[0], nn.SiLU(), ends[1]).double()
    x = torch.randn(5, 4, dtype=torch.float64) if kind == "linear" else torch.randn(5, 2, 3, 3, dtype=torch.float64)
    graph = growsearch.trace(model, x)

    found = gradient_triplets(model, graph, {"0": 3}, means, [x], torch.Generator().manual_seed(0))["0"][0]

    output = model(x).detach().requires_grad_()
    gradient = torch.autograd.grad(output.square().mean(), output)[0]
    outputs, inputs = (one.movedim(1, 0).flatten(1) for one in (gradient, x))
    matrix = found.left.T @ found.values.diag() @ found.right
    torch.testing.assert_close(matrix.double(), 0.5 * outputs @ inputs.T, atol=1e-6, rtol=1e-5)


def means(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).square().mean()

"""Tensors that are no plain ones: what can be followed through them is, the rest freezes, and nothing crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import trace
from growsearch.growth import grow
from growsearch.surgery.preservation import undisturbed

ADJACENCY = torch.eye(5) + torch.diag(torch.ones(4), 1)
FEATURES = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))


class Net(nn.Module):
    """Three layers; `between` stands before the last one."""

    def __init__(self, between: Callable[[Net, Tensor], Tensor], adjacency: Tensor | None = None) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.between = between
        if adjacency is not None:
            self.register_buffer("adjacency", adjacency)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.between(self, self.b(self.a(x).relu())).relu())


def made_in_forward(_: Net, h: Tensor) -> Tensor:
    matrix = torch.sparse_coo_tensor(torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.ones(3), (5, 5))
    return torch.sparse.mm(matrix.coalesce(), h)


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_dense"])
@pytest.mark.parametrize(
    "multiply",
    [
        lambda net, h: torch.sparse.mm(net.adjacency, h),
        lambda net, h: torch.spmm(net.adjacency, h),
        lambda net, h: net.adjacency @ h,
        lambda net, h: torch.sparse.mm(net.adjacency, h) / net.adjacency.to_dense().sum(1, keepdim=True),
    ],
)
def test_a_sparse_matrix_acts_on_samples(multiply: Callable[..., Tensor], layout: str, grown_difference) -> None:
    net = Net(multiply, getattr(ADJACENCY.clone(), layout)())

    difference, graph = grown_difference(net, FEATURES, "a", "b")

    assert {name: graph.sites[name].kind for name in "ab"} == {"a": "exact", "b": "exact"}
    assert (net.b.in_features, net.c.in_features, net.adjacency.shape) == (7, 8, (5, 5))
    assert difference < 6e-6


def test_a_network_with_a_sparse_buffer_grows() -> None:
    net = Net(lambda net, h: torch.sparse.mm(net.adjacency, h), ADJACENCY.to_sparse())
    before = net(FEATURES)

    grow(net, FEATURES, {"a": 2, "b": 1})

    torch.testing.assert_close(net(FEATURES), before)
    assert net.c.in_features == 7
    with undisturbed(net):
        net(FEATURES)


def test_a_sparse_product_costs_what_it_stores() -> None:
    sparse, dense = (
        trace(Net(lambda net, h: net.adjacency @ h, matrix), FEATURES) for matrix in (ADJACENCY.to_sparse(), ADJACENCY)
    )

    stored, columns, samples = 9, 6, 5
    assert (dense.flops - sparse.flops) * samples == pytest.approx(2 * (25 - stored) * columns, abs=samples)
    saved = dense.sites["b"].flops_per_unit - sparse.sites["b"].flops_per_unit
    assert saved * samples == pytest.approx(2 * (25 - stored), abs=samples)


def test_a_sparse_matrix_made_in_the_run_is_followed() -> None:
    sites = trace(Net(made_in_forward), FEATURES).sites

    assert {name: site.kind for name, site in sites.items()} == {"a": "exact", "b": "exact"}


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
def test_a_sparse_parameter_freezes() -> None:
    net = Net(lambda net, h: h)
    net.b.weight = nn.Parameter(net.b.weight.detach().to_sparse_csr())

    sites = trace(net, FEATURES).sites

    assert {site.reason for site in sites.values()} == {"b.weight is sparse"}


class Mapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda row: self.b(self.a(row).relu()))(x)


def test_layers_inside_vmap_grow(grown_difference) -> None:
    difference, graph = grown_difference(Mapped(), FEATURES)

    assert graph.sites["a"].kind == "exact"
    assert difference < 6e-6


@pytest.mark.parametrize(
    "mapped",
    [
        lambda net, h: torch.vmap(lambda row: row * 2)(h),
        lambda net, h: torch.vmap(lambda column: column / column.norm(), in_dims=1, out_dims=1)(h),
        lambda net, h: torch.func.grad(lambda each: each.square().sum())(h),
        lambda net, h: h.to_mkldnn().to_dense(),
        lambda net, h: torch.quantize_per_tensor(h, 0.1, 0, torch.qint8).dequantize(),
    ],
)
def test_what_enters_hidden_work_freezes(mapped: Callable[..., Tensor]) -> None:
    sites = trace(Net(mapped), FEATURES).sites

    assert sites["a"].kind == "exact"
    assert sites["b"].kind == "frozen"
    assert sites["b"].reason


def test_a_parameter_that_vmap_maps_over_freezes() -> None:
    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)
            self.scales = nn.Parameter(torch.ones(6))

        def forward(self, x: Tensor) -> Tensor:
            h = self.first(x)
            return self.last(
                torch.vmap(lambda scale, column: scale * column, in_dims=(0, 1), out_dims=1)(self.scales, h)
            )

    site = trace(Ensemble(), FEATURES).sites["first"]

    assert (site.kind, site.reason) == ("frozen", "no rule for hidden work at the model")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_freeze_what_they_meet(layout: torch.layout) -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            rows = torch.nested.nested_tensor([x[:2], x[2:]], layout=layout)
            return torch.nested.to_padded_tensor(self.b(self.a(rows)), 0.0)

    site = trace(Nested(), FEATURES).sites["a"]

    assert (site.kind, site.reason) == ("frozen", "nested tensors in a at 'a'")


def test_the_parameters_of_a_module_without_a_rule_freeze() -> None:
    class Shared(nn.Module):
        """The recurrent layer's weight serves a linear layer too."""

        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.a, self.b = nn.RNN(4, 6, batch_first=True), nn.Linear(4, 6), nn.Linear(6, 3)
            self.a.weight = self.rnn.weight_ih_l0

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) + self.rnn(x[None])[0].sum()

    site = trace(Shared(), FEATURES).sites["a"]

    assert (site.kind, site.reason) == ("frozen", "no rule for RNN at 'rnn'")

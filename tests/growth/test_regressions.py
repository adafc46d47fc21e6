"""Defects that were found by review, each with the network that showed it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, TensorDataset

import growsearch
from growsearch.growth.statistics.depth_strength import depth_strengths
from growsearch.growth.statistics.triplets import gradient_triplets
from growsearch.surgery import apply_edits, site_edits

Batch = tuple[Tensor, Tensor]
Objective = Callable[[nn.Module, Any], Tensor]


def objective(model: nn.Module, batch: Batch) -> Tensor:
    return (torch.tanh(model(batch[0]) - batch[1]) ** 2).mean()


class Net(nn.Module):
    """Layers by name, and what to do with them."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def case(build: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, Tensor, Batch]:
    torch.manual_seed(0)
    model = build().double()
    x = torch.randn(shape, dtype=torch.float64)
    return model, x, (x, torch.randn_like(model(x)))


def grow(model: nn.Module, x: Tensor, batch: Batch, units: Mapping[str, int], how: Any) -> None:
    growsearch.grow(model, x, units, how, objective=objective, batches=[batch])


def true_values(model: nn.Module, x: Tensor, batch: Batch, site: str, loss: Objective = objective) -> Tensor:
    """By autograd, the singular values of the second derivative by one new unit's outgoing and incoming weights."""
    found = growsearch.trace(model, x).sites[site]
    wide = copy.deepcopy(model)
    apply_edits(wide, site_edits(found, [*range(found.units), -1]))
    parameters = dict(wide.named_parameters())
    outs, ins = ([u for u in found.axes if u.role == role] for role in ("out", "in"))

    def new(use: Any) -> Tensor:
        places, shift = [], 0
        for run in use.runs:
            places += [run.offset + shift + found.units * run.repeat + i for i in range(run.repeat)]
            shift += run.repeat
        return torch.tensor(places)

    first = torch.autograd.grad(loss(wide, batch), [parameters[u.tensor] for u in outs], create_graph=True)
    incoming = torch.cat([g.index_select(u.axis, new(u)).flatten() for g, u in zip(first, outs, strict=True)])
    columns = []
    for entry in incoming:
        second = torch.autograd.grad(entry, [parameters[u.tensor] for u in ins], retain_graph=True)
        columns.append(torch.cat([g.index_select(u.axis, new(u)).flatten() for g, u in zip(second, ins, strict=True)]))
    return torch.linalg.svdvals(torch.stack(columns, 1))


def assert_exact(model: nn.Module, x: Tensor, batch: Batch, site: str, loss: Objective = objective) -> None:
    graph = growsearch.trace(model, x)
    found = gradient_triplets(model, graph, {site: 3}, loss, [batch], torch.Generator())[site][0].values
    torch.testing.assert_close(found.double(), true_values(model, x, batch, site, loss)[:3], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "how",
    ["zero", {"random": {"side": "outgoing"}}, {"gradmax": {"side": "outgoing"}}, {"gradmax_opt": {"steps": 2}}],
    ids=["zero", "random", "gradmax", "gradmax_opt"],
)
def test_grouped_producers_take_incoming_weights(how: Any) -> None:
    model, x, batch = case(
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2)),
        *(4, 4, 9, 9),
    )
    before = model(x).detach()
    grow(model, x, batch, {"0": 4}, how)
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-5)
    assert float(model[0].weight[[3, 4, 8, 9]].detach().flatten(1).norm(dim=1).min()) > 0


def pooled_twice(model: Any, x: Tensor) -> Tensor:
    """Every channel enters the last layer four times, and once more behind all of those."""
    h = torch.tanh(model.first(x))
    return model.last(torch.cat([F.adaptive_avg_pool2d(h, 2).flatten(1), h.mean((2, 3))], 1))


def test_runs_of_different_length_are_exact() -> None:
    model, x, batch = case(lambda: Net(pooled_twice, first=nn.Conv2d(2, 3, 3), last=nn.Linear(15, 4)), 4, 2, 8, 8)
    assert_exact(model, x, batch, "first")


@pytest.mark.parametrize("how", ["random", "gradmax", "gradmax_opt"])
def test_runs_of_different_length_keep_units_apart(how: str) -> None:
    model, x, batch = case(lambda: Net(pooled_twice, first=nn.Conv2d(2, 3, 3), last=nn.Linear(15, 4)), 4, 2, 8, 8)
    grow(model, x, batch, {"first": 2}, {how: {"scale": 1.0, "norm": "fixed"}})
    weight = model.get_submodule("last").weight.detach()
    units = [weight[:, [*range(12 + 4 * u, 16 + 4 * u), 23 + u]] for u in range(2)]
    torch.testing.assert_close(torch.stack([u.norm() for u in units]), torch.ones(2).double(), rtol=1e-5, atol=0)
    if how == "gradmax":
        assert abs(float((units[0] * units[1]).sum())) < 1e-6


def twice(model: Any, x: Tensor) -> Tensor:
    return model.last(torch.tanh(model.first(x))) * model.last(torch.tanh(model.first(x.flip(0))))


def recurrent(model: Any, x: Tensor) -> Tensor:
    h = torch.tanh(model.first(x))
    for time in (2, 3):
        h = torch.tanh(model.again(h) + model.first(time * x))
    return model.last(h)


def both_views(model: Any, x: Tensor) -> Tensor:
    return model.last(torch.cat([torch.tanh(model.first(x)), torch.tanh(model.first(x.flip(1)))], 0))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Net(twice, first=nn.Linear(5, 4), last=nn.Linear(4, 3)),
        lambda: Net(recurrent, first=nn.Linear(5, 4), again=nn.Linear(4, 4), last=nn.Linear(4, 3)),
        lambda: Net(both_views, first=nn.Linear(5, 4), last=nn.Linear(4, 3)),
    ],
    ids=["siamese", "recurrent", "joined_samples"],
)
def test_layers_that_are_called_again_are_exact(build: Callable[[], nn.Module]) -> None:
    model, x, batch = case(build, 9, 5)
    assert_exact(model, x, batch, "first")


def test_a_unit_of_layers_that_are_called_again_has_the_norm_that_was_asked_for() -> None:
    model, x, batch = case(lambda: Net(twice, first=nn.Linear(5, 4), last=nn.Linear(4, 3)), 9, 5)
    grow(model, x, batch, {"first": 2}, {"gradmax": {"scale": 1.0, "norm": "fixed"}})
    norms = model.get_submodule("last").weight.detach()[:, -2:].norm(dim=0)
    torch.testing.assert_close(norms, torch.ones(2).double(), rtol=1e-5, atol=0)


def test_a_sum_that_broadcasts_positions_is_exact() -> None:
    def run(model: Any, x: Tensor) -> Tensor:
        return model.last(torch.tanh(model.first(x) + model.context(x.mean((2, 3), keepdim=True))))

    layers = {"first": nn.Conv2d(2, 3, 3, padding=1), "context": nn.Conv2d(2, 3, 1), "last": nn.Conv2d(3, 2, 3)}
    model, x, batch = case(lambda: Net(run, **layers), 4, 2, 7, 7)
    assert_exact(model, x, batch, "first")


def through(act: Callable[[Tensor], Tensor], bias: bool = True) -> Net:
    layers = {"first": nn.Linear(5, 4, bias=bias), "last": nn.Linear(4, 3)}
    return Net(lambda model, x: model.last(act(model.first(x))), **layers)


def shifted(place: str) -> Net:
    shape = (1, 4, 1) if place == "inside" else (4, 1)

    def run(model: Any, x: Tensor) -> Tensor:
        if place == "inside":
            return model.last(F.relu(model.first(x) + model.shift))
        return model.last(F.relu(model.first(x)) + model.shift)

    return Net(run, first=nn.Conv1d(2, 4, 3), shift=nn.Parameter(torch.zeros(shape)), last=nn.Conv1d(4, 3, 3))


def stream(model: Any, x: Tensor) -> Tensor:
    h = F.relu(model.first(x))
    return model.last(F.relu(h + model.outer(F.relu(model.inner(h)))))


def learning(model: nn.Module, batch: Batch, site: str) -> Tensor:
    """Per new unit, the largest gradient at the weights on either side."""
    model.zero_grad()
    objective(model, batch).backward()
    into, out = (model.get_submodule(name).weight.grad for name in (site, "last"))
    sides = [into[-2:].flatten(1).norm(dim=1), out[:, -2:].transpose(0, 1).flatten(1).norm(dim=1)]
    return torch.stack(sides).amax(0)


LEARNERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "shift inside the activation": (lambda: shifted("inside"), (4, 2, 9)),
    "shift behind the activation": (lambda: shifted("behind"), (4, 2, 9)),
    "squared ReLU": (lambda: through(lambda h: F.relu(h) ** 2), (9, 5)),
    "square": (lambda: through(lambda h: F.relu(h).square()), (9, 5)),
    "PReLU function": (lambda: through(lambda h: F.prelu(h, torch.full((1,), 0.2).to(h))), (9, 5)),
    "sum with a number": (lambda: through(lambda h: torch.tanh(h + 1)), (9, 5)),
    "number behind ReLU": (lambda: through(lambda h: F.relu(h) + 1), (9, 5)),
    "detached branch": (lambda: through(lambda h: F.relu(h) + F.relu(h).detach()), (9, 5)),
    "noise": (lambda: through(lambda h: torch.tanh(h) + 0 * torch.randn_like(h)), (9, 5)),
    "gated": (
        lambda: Net(
            lambda model, x: model.last(F.silu(model.first(x)) * model.gate(x)),
            first=nn.Linear(5, 4),
            gate=nn.Linear(5, 4),
            last=nn.Linear(4, 3),
        ),
        (9, 5),
    ),
    "difference": (
        lambda: Net(
            lambda model, x: model.last(F.relu(model.first(x) - model.other(x))),
            first=nn.Linear(5, 4),
            other=nn.Linear(5, 4),
            last=nn.Linear(4, 3),
        ),
        (9, 5),
    ),
    "depthwise with a bias behind one without": (
        lambda: Net(
            lambda model, x: model.last(F.relu(model.between(F.relu(model.first(x))))),
            first=nn.Conv1d(2, 4, 3, bias=False),
            between=nn.Conv1d(4, 4, 3, groups=4),
            last=nn.Conv1d(4, 3, 3),
        ),
        (4, 2, 12),
    ),
    "stream from a layer without bias": (
        lambda: Net(
            stream,
            first=nn.Linear(5, 4, bias=False),
            inner=nn.Linear(4, 6),
            outer=nn.Linear(6, 4),
            last=nn.Linear(4, 3),
        ),
        (9, 5),
    ),
}


@pytest.mark.parametrize("how", ["random", "gradmax_opt", {"zero": {"side": "auto"}}], ids=["random", "opt", "zero"])
@pytest.mark.parametrize("name", LEARNERS)
def test_new_units_learn_and_preserve(name: str, how: Any) -> None:
    build, shape = LEARNERS[name]
    model, x, batch = case(build, *shape)
    before = model(x).detach()
    grow(model, x, batch, {"first": 2}, {how: {"steps": 3}} if how == "gradmax_opt" else how)
    torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=1e-6)
    assert float(learning(model, batch, "first").min()) > 1e-5


@pytest.mark.parametrize("name", LEARNERS)
def test_units_with_zero_incoming_weights_learn_and_preserve_or_are_refused(name: str) -> None:
    build, shape = LEARNERS[name]
    model, x, batch = case(build, *shape)
    before = model(x).detach()
    try:
        grow(model, x, batch, {"first": 2}, {"random": {"side": "incoming"}})
    except growsearch.GrowthRefused as error:
        assert "use side: outgoing" in str(error)
        return
    torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=1e-6)
    assert float(learning(model, batch, "first").min()) > 1e-5


def test_every_producer_of_a_stream_learns() -> None:
    build, shape = LEARNERS["stream from a layer without bias"]
    model, x, batch = case(build, *shape)
    grow(model, x, batch, {"first": 2}, {"gradmax": {"side": "incoming"}})
    model.zero_grad()
    objective(model, batch).backward()
    for name in ("first", "outer"):
        assert float(model.get_submodule(name).weight.grad[-2:].norm(dim=1).min()) > 1e-5, name


def test_normalisation_behind_the_activation_does_not_take_the_nudge() -> None:
    model, x, batch = case(
        lambda: Net(
            lambda m, x: m.last(m.norm(F.relu(m.first(x)))),
            first=nn.Conv1d(2, 4, 3),
            norm=nn.BatchNorm1d(4),
            last=nn.Conv1d(4, 3, 3),
        ),
        *(4, 2, 9),
    )
    grow(model, x, batch, {"first": 2}, {"random": {"side": "incoming"}})
    model.zero_grad()
    objective(model, batch).backward()
    assert float(model.get_submodule("first").weight.grad[-2:].flatten(1).norm(dim=1).min()) > 1e-5


@pytest.mark.parametrize("name", ["gated", "square"])
def test_dead_units_are_refused(name: str) -> None:
    build, shape = LEARNERS[name]
    model, x, batch = case(build, *shape)
    with pytest.raises(growsearch.GrowthRefused, match="never learn.*use side: outgoing"):
        grow(model, x, batch, {"first": 2}, {"random": {"side": "incoming"}})


def consistency(model: nn.Module, batch: Batch) -> Tensor:
    return ((model(batch[0]) - model(batch[0].flip(1))) ** 2).mean()


def distillation(model: nn.Module, batch: Batch) -> Tensor:
    with torch.no_grad():
        teacher = model(batch[0].flip(1))
    return ((model(batch[0]) - 2 * teacher) ** 2).mean()


@pytest.mark.parametrize("loss", [consistency, distillation])
def test_an_objective_may_run_the_network_twice(loss: Objective) -> None:
    model, x, batch = case(lambda: through(torch.tanh), 9, 5)
    assert_exact(model, x, batch, "first", loss)


def test_inputs_may_be_given_by_keyword() -> None:
    layers = {"first": nn.Linear(5, 4), "last": nn.Linear(4, 3)}
    model, x, batch = case(lambda: Net(lambda m, x: m.last(input=torch.tanh(m.first(input=x))), **layers), 9, 5)
    assert_exact(model, x, batch, "first")


def test_strengths_of_sequences_are_those_of_their_channels() -> None:
    model, x, batch = case(lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Conv1d(3, 2, 3)), 4, 2, 11)
    h = model[:2](x).detach().requires_grad_()
    (g,) = torch.autograd.grad((torch.tanh(model[2](h) - batch[1]) ** 2).mean(), h)
    expected = torch.linalg.matrix_norm(torch.einsum("ncl,ndl->cd", g, h.detach()), 2)
    places = {"1": growsearch.trace(model, x).depth_sites["1"]}
    assert depth_strengths(model, places, objective, [batch])["1"] == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("drop", [F.dropout, F.feature_alpha_dropout])
def test_networks_that_call_dropout_as_a_function_grow(drop: Callable[..., Tensor]) -> None:
    layers = {"first": nn.Linear(5, 4), "last": nn.Linear(4, 3)}
    model, x, batch = case(lambda: Net(lambda m, x: m.last(drop(m.first(x).relu(), 0.5, m.training)), **layers), 9, 5)
    grow(model, x, batch, {"first": 2}, "zero")
    assert model.get_submodule("first").weight.shape == (6, 5)


def test_networks_with_dropout_in_attention_grow() -> None:
    def run(model: Any, x: Tensor) -> Tensor:
        h = model.first(x)
        h = h + F.scaled_dot_product_attention(x, x, x, dropout_p=0.5 if model.training else 0.0) @ model.mix
        return model.last(torch.tanh(model.hidden(h)))

    layers = {"first": nn.Linear(5, 4), "hidden": nn.Linear(4, 6), "last": nn.Linear(6, 3)}
    model, x, batch = case(lambda: Net(run, mix=nn.Parameter(torch.randn(5, 4)), **layers), 2, 9, 5)
    grow(model, x, batch, {"hidden": 2}, "zero")
    assert model.get_submodule("hidden").weight.shape == (8, 4)


def test_frozen_layers_get_optimised_units() -> None:
    model, x, batch = case(lambda: through(torch.tanh), 9, 5)
    model.get_submodule("first").requires_grad_(False)
    grow(model, x, batch, {"first": 2}, {"gradmax_opt": {"steps": 2}})
    assert not any(p.requires_grad for p in model.get_submodule("first").parameters())


def test_an_average_of_the_network_gets_the_statistics_of_new_channels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3))
    x = 5 * torch.randn(8, 2, 9, 9) + 3
    average = AveragedModel(model)
    growsearch.grow(model, x, {"0": 2}, "zero", companions=[average])
    own, its = model[1], average.module[1]
    assert float(own.running_var[-2:].min()) > 2
    torch.testing.assert_close(its.running_var, own.running_var, rtol=0, atol=0)
    torch.testing.assert_close(its.running_mean, own.running_mean, rtol=0, atol=0)


def test_a_shuffling_loader_does_not_change_what_training_draws() -> None:
    model, x, batch = case(lambda: through(torch.tanh), 9, 5)
    loader = DataLoader(TensorDataset(*batch), 4, shuffle=True)
    when = {"interval": {"every": 1}}
    grower = growsearch.Grower(model, None, x, objective=objective, batches=loader, when=when, how="gradmax")
    state = torch.get_rng_state()
    assert grower.step() is not None
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "when", [{"geometric": {"first": 10, "ratio": 0.5, "count": 8}}, {"schedule": {"steps": [10, 50, 100, 900]}}]
)
def test_a_budget_is_met_although_some_events_come_after_the_training(when: dict[str, Any]) -> None:
    model, x, _ = case(lambda: through(torch.tanh), 9, 5)
    grower = growsearch.Grower(model, None, x, when=when, budget={"width": 4.0}, total_steps=100)
    for _ in range(100):
        grower.step()
    assert grower.graph.sites["first"].units == 16
    assert grower.progress.events[-1] < 100

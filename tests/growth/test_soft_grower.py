"""Growth by gradient descent: gates, allocation, compaction, the optimizer's state, refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch import GrowthFailed, GrowthRefused, InputError, SoftGrower
from growsearch.networks import build_network
from growsearch.surgery import outputs_of, relative_difference
from tests.growth.tasks import cnn, mlp, same
from tests.laws.models import Branches, Residual, randomise
from tests.muon import needs_muon

STRATEGIES: dict[str, dict[str, Any]] = {
    "size_gate": {"size_gate": {"start": 0.83, "strength": 0.1, "lr": 0.3}},
    "controller_mask": {"controller_mask": {"start": 0.7, "lr": 0.05}},
    "scalar_gain": {"controller_mask": {"start": 0.7, "scalar_gain": True}},
}
GROWING = ("size_gate", "controller_mask")


def mobilenet() -> nn.Module:
    return build_network({"name": "mobilenet_v1", "width": 0.0625}, (3, 32, 32), 4)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (6, 4)),
    "cnn": (cnn, (6, 2, 6, 6)),
    "residual": (Residual, (6, 3, 8, 8)),
    "branches": (Branches, (6, 3, 8, 8)),
    "mobilenet": (mobilenet, (4, 3, 32, 32)),
}


class Run:
    """A network with random weights in float64, its data, optimizer and grower."""

    def __init__(self, network: str, soft: Any, optimizer: Callable[..., Optimizer] | None = None) -> None:
        build, shape = NETWORKS[network]
        torch.manual_seed(0)
        self.model = build()
        randomise(self.model)
        self.model.double()
        self.x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        make = optimizer or (lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9))
        self.optimizer = make(self.model.parameters())
        spec = STRATEGIES[soft] if isinstance(soft, str) else soft
        self.grower = SoftGrower(self.model, self.optimizer, self.x, spec, seed=3)

    def loss(self) -> Tensor:
        return F.cross_entropy(self.model(self.x), torch.arange(len(self.x)) % 3)

    def train(self, steps: int) -> list[Any]:
        events = []
        for _ in range(steps):
            (self.loss() + self.grower.penalty()).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            events += [self.grower.step()]
        return [event for event in events if event is not None]

    def outputs(self) -> list[Any]:
        return [outputs_of(self.model, self.x, training) for training in (False, True)]

    def trained(self) -> set[int]:
        return {id(p) for group in self.optimizer.param_groups for p in group["params"]}


def set_inputs(run: Run) -> None:
    """Input weights that matter: at first they are 0."""
    with torch.no_grad():
        for weight in run.grower.learned.weights:
            weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(5))


def off(before: list[Any], after: list[Any]) -> float:
    return max(relative_difference(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("soft", GROWING)
@pytest.mark.parametrize("network", NETWORKS)
def test_allocation_keeps_the_outputs_and_doubles_the_pool(network: str, soft: str) -> None:
    run = Run(network, soft)
    set_inputs(run)
    seed = {name: site.units for name, site in run.grower.graph.sites.items()}
    near = dict.fromkeys(run.grower.sizes, 0.9)  # of the seed's units: within one unit of the pool
    set_sizes(run, {name: share * seed[name] for name, share in near.items()})
    before = run.outputs()

    event = run.grower.step()

    assert event is not None and event.output_change < 1e-10
    assert off(before, run.outputs()) < 1e-10
    for name, added in event.sites.items():
        assert run.grower.graph.sites[name].units == 2 * seed[name] == seed[name] + added
    assert event.sites and run.grower.step() is None


def full(run: Run) -> dict[str, float]:
    """Sizes at which all allocated units are on."""
    return {name: float(run.grower.graph.sites[name].units) for name in run.grower.sizes}


def set_sizes(run: Run, sizes: dict[str, float]) -> None:
    """Put the sizes where they are wanted."""
    limit = torch.tensor([4.0 * units for units in run.grower.seed_units.values()], dtype=torch.float64)
    wanted = torch.tensor(list(sizes.values()), dtype=torch.float64)
    learner = run.grower.soft.learner(wanted, limit, torch.Generator().manual_seed(0))
    run.grower.learned.learner.load_state_dict(learner.state_dict())


@pytest.mark.parametrize("soft", STRATEGIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_compact_network_computes_the_same(network: str, soft: str) -> None:
    run = Run(network, soft)
    set_inputs(run)
    events = run.train(3)
    assert bool(events) == (soft != "scalar_gain")
    gates = {name: run.grower.gates(name).detach() for name in run.grower.sizes}
    before = run.outputs()

    event = run.grower.compact()

    assert off(before, run.outputs()) < 1e-10
    for name, factors in gates.items():
        assert run.grower.graph.sites[name].units == max(1, int((factors > 0).sum()))
    assert sum(p.numel() for p in run.model.parameters()) == event.parameters_after
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in run.model.modules())
    assert run.trained() == {id(p) for p in run.model.parameters()}
    assert set(run.optimizer.state) <= set(run.model.parameters())
    run.train(1)


def test_a_compact_network_that_forgets_the_fractional_gate_shows() -> None:
    """Negative control: the unit that fades in, fully on, is another function."""
    run = Run("mlp", {"size_gate": {"start": 0.6}})
    before = run.outputs()
    with run.grower.detached():
        assert off(before, run.outputs()) > 1e-2


@pytest.mark.parametrize("soft", STRATEGIES)
@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_the_gradient_of_the_task_reaches_the_numbers_behind_the_sizes(network: str, soft: str) -> None:
    run = Run(network, soft)
    set_inputs(run)
    run.model.eval()
    run.loss().backward()

    for name, parameter in run.grower.learned.learner.named_parameters():
        assert parameter.grad is not None
        for place in range(min(3, parameter.numel())):
            measured = difference(run, parameter, place)
            assert float(parameter.grad.flatten()[place]) == pytest.approx(measured, rel=1e-5, abs=1e-9), name
    assert any(p.grad is not None and p.grad.count_nonzero() for p in run.grower.learned.learner.parameters())


@torch.no_grad()
def difference(run: Run, parameter: Tensor, place: int, step: float = 1e-6) -> float:
    values = parameter.view(-1)
    values[place] += step
    above = float(run.loss())
    values[place] -= 2 * step
    below = float(run.loss())
    values[place] += step
    return (above - below) / (2 * step)


def test_units_that_are_off_learn_nothing_and_change_nothing() -> None:
    run = Run("mlp", {"size_gate": {"start": 0.5}})
    second = run.model.get_submodule("second")
    before = run.outputs()
    run.loss().backward()
    assert second.weight.grad[3:].count_nonzero() == 0
    assert second.weight.grad[:3, :2].count_nonzero() > 0
    with torch.no_grad():
        second.weight[3:] = 7.0
    assert off(before, run.outputs()) == 0


def test_all_units_are_on_at_first_so_that_nothing_changes_by_itself() -> None:
    torch.manual_seed(0)
    plain = mlp()
    run_model = copy.deepcopy(plain)
    x = torch.randn(5, 4)
    SoftGrower(run_model, torch.optim.SGD(run_model.parameters(), lr=0.1), x, "size_gate")
    assert torch.equal(plain(x), run_model(x))


def test_the_size_enters_the_hidden_units_where_a_bias_can_take_it_over() -> None:
    run = Run("cnn", "size_gate")
    ports = {name: entry for name, (_, entry) in run.grower.ports.items()}
    assert {name: port.tensor for name, port in ports.items() if port} == {"conv1": "norm.bias", "conv2": "conv2.bias"}
    plain = mlp(bias=False)
    without = SoftGrower(plain, torch.optim.SGD(plain.parameters(), lr=0.1), torch.randn(4, 4))
    assert len(without.learned.weights) == 0


def test_a_size_that_one_step_takes_past_the_pool_finds_its_units() -> None:
    run = Run("mlp", "size_gate")
    set_sizes(run, {"first": 13.5, "second": 6.0})

    event = run.grower.step()

    assert event is not None and event.sites == {"first": 12, "second": 6}
    assert event.output_change < 1e-12
    assert int((run.grower.gates("first") == 1).sum()) == 13


def test_a_pool_has_an_end() -> None:
    run = Run("mlp", {"size_gate": {"target": 1.5}})
    set_sizes(run, {"first": 1e9, "second": 1e9})

    run.grower.step()

    assert {name: site.units for name, site in run.grower.graph.sites.items()} == {"first": 12, "second": 18}


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "nadam": lambda p: torch.optim.NAdam(p, lr=1e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_holds_the_parameters_of_model_and_sizes_and_no_others(name: str) -> None:
    run = Run("mlp", "size_gate", OPTIMIZERS[name])
    sizes = run.grower.learned.learner.get_parameter("size")
    run.train(2)
    moment = {key: value.clone() for key, value in run.optimizer.state[sizes].items() if isinstance(value, Tensor)}
    set_sizes(run, full(run))

    event = run.grower.step()

    assert event is not None
    expected = {id(p) for module in (run.model, run.grower.learned) for p in module.parameters()}
    assert run.trained() == expected
    assert same(moment, {key: value for key, value in run.optimizer.state[sizes].items() if isinstance(value, Tensor)})
    assert [g["weight_decay"] for g in run.optimizer.param_groups[1:]] == [0.0, 0.0]
    assert run.optimizer.param_groups[1]["lr"] == 0.3
    run.train(2)
    run.grower.compact()
    assert run.trained() == {id(p) for p in run.model.parameters()}


def test_named_parameters_keep_their_names() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.named_parameters(), lr=0.1)
    SoftGrower(model, optimizer, torch.randn(4, 4))
    assert [g["param_names"] for g in optimizer.param_groups[1:]] == [["learner.size"], ["weights.0", "weights.1"]]


@pytest.mark.parametrize("soft", GROWING)
@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_a_resumed_growth_goes_on_bit_for_bit(network: str, soft: str) -> None:
    whole = Run(network, soft)
    whole.train(3)
    model, optimizer, grower = (
        copy.deepcopy(each.state_dict()) for each in (whole.model, whole.optimizer, whole.grower)
    )
    assert max(size / units for size, units in zip(whole.grower.sizes.values(), (4, 6), strict=False)) > 1
    whole.train(4)

    resumed = Run(network, soft)
    grow_to(resumed.model, model)
    resumed.optimizer = torch.optim.SGD(resumed.model.parameters(), lr=1e-3, momentum=0.9)
    resumed.grower = SoftGrower(resumed.model, resumed.optimizer, resumed.x, STRATEGIES[soft], seed=99)
    resumed.optimizer.load_state_dict(optimizer)
    resumed.grower.load_state_dict(grower)
    resumed.train(4)

    assert same(dict(resumed.model.state_dict()), dict(whole.model.state_dict()))
    assert same(resumed.grower.state_dict(), whole.grower.state_dict())
    assert same(resumed.optimizer.state_dict(), whole.optimizer.state_dict())


def grow_to(model: nn.Module, state: dict[str, Tensor]) -> None:
    """The network of a saved state, without the hooks of another grower."""
    from growsearch.surgery import rebuild

    for module in model.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    rebuild(model, [], state)


def test_a_failed_allocation_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("residual", "size_gate")
    set_inputs(run)
    run.train(1)
    set_sizes(run, full(run))
    before, graph = run.outputs(), run.grower.graph
    state = copy.deepcopy((dict(run.model.state_dict()), run.optimizer.state_dict(), run.grower.learned.state_dict()))
    parameters = [id(p) for p in run.model.parameters()]

    with monkeypatch.context() as patch:
        patch.setattr("growsearch.growth.soft.grower.output_change", lambda *_: [0.5, 0.5])
        with pytest.raises(GrowthFailed, match="rolled back"):
            run.grower.step()
        with pytest.raises(GrowthFailed, match="rolled back"):
            run.grower.compact()

    assert run.grower.graph is graph and not run.grower.compacted
    assert [id(p) for p in run.model.parameters()] == parameters
    assert same(
        list(state), [dict(run.model.state_dict()), run.optimizer.state_dict(), run.grower.learned.state_dict()]
    )
    assert off(before, run.outputs()) == 0
    run.train(1)


class Shared(nn.Module):
    """A weight that takes units in at one place and makes them at another, and a functional consumer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.second = nn.Linear(5, 6)
        self.head = nn.Parameter(torch.randn(3, 6))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        mixed = torch.relu(self.second(hidden))
        return F.linear(mixed, self.head)


def grower_of(model: nn.Module, x: Tensor, **settings: Any) -> SoftGrower:
    return SoftGrower(model, torch.optim.SGD(model.parameters(), lr=0.1), x, **settings)


def test_sites_where_gates_are_not_exact_are_left_out_and_refused_by_name() -> None:
    x = torch.randn(4, 4)
    assert list(grower_of(Shared(), x).sizes) == ["first"]
    with pytest.raises(GrowthRefused, match="no nn.Linear or convolution module"):
        grower_of(Shared(), x, sites=["first", "second"])
    mixing = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3))
    with pytest.raises(GrowthRefused, match="mixing.*normalises over it"):
        grower_of(mixing, x)
    with pytest.raises(GrowthRefused, match="no site whose size can be trained"):
        grower_of(nn.Sequential(nn.Linear(4, 3)), x)
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    tied[2].weight = tied[0].weight
    with pytest.raises(GrowthRefused):
        grower_of(tied, x)


def test_what_does_not_fit_is_an_input_error() -> None:
    x = torch.randn(4, 4)
    with pytest.raises(InputError, match="match none of first, second"):
        grower_of(mlp(), x, sites=["third*"])
    with pytest.raises(InputError, match="unknown differentiable size.*size_gate"):
        grower_of(mlp(), x, soft="size_gat")
    with pytest.raises(InputError, match="parameters: target"):
        grower_of(mlp(), x, soft={"size_gate": {"width": 3}})
    model = mlp(bias=False)
    with pytest.raises(InputError, match="cannot follow a growth"):
        SoftGrower(model, torch.optim.LBFGS(model.parameters()), x)


@needs_muon
def test_muon_trains_the_matrices_and_another_optimizer_the_sizes() -> None:
    model = mlp(bias=False)
    muon, adam = torch.optim.Muon(model.parameters()), torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    grower = SoftGrower(model, [muon, adam], torch.randn(4, 4))
    assert len(muon.param_groups) == 1
    with pytest.raises(InputError, match="Muon"):
        SoftGrower(model, muon, torch.randn(4, 4))
    assert adam.param_groups[1]["params"] == [grower.learned.learner.get_parameter("size")]


def test_a_compact_network_is_not_made_compact_again() -> None:
    run = Run("mlp", "size_gate")
    run.grower.compact()
    assert float(run.grower.penalty()) == 0 and run.grower.step() is None
    assert run.grower.sizes == {"first": 4.0, "second": 5.0}
    with pytest.raises(InputError, match="compact already"):
        run.grower.compact()

"""NeST: the connections that regrow and are pruned, neurons from the bridging gradient, and runs that use all of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import Grower, GrowthRefused, grow, trace
from growsearch.config import RunConfig
from growsearch.growth import GrowthContext, planned_edits
from growsearch.growth.statistics.bridging import BridgingGradient
from growsearch.growth.statistics.sweep import Statistics
from growsearch.runs.lines import read_lines
from growsearch.surgery import MaskEdit, active_parameters, apply_edits, compact, masks_of, outputs_of
from growsearch.training import TrainingRun, load_network
from growsearch_strategies.nest.connections import dead, pruned, regrown
from growsearch_strategies.nest.feature_maps import feature_maps
from growsearch_strategies.nest.neurons import neuron_vectors, neurons, opposed
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, sgd, train


def context_of(grower: Grower) -> GrowthContext:
    return grower.context()


def nest(model: nn.Module, optimizer: torch.optim.Optimizer | None = None, **settings: Any) -> Grower:
    how = {"nest": {"grow_events": 2, "trials": 2, **settings.pop("how", {})}}
    return grower_for(model, optimizer, where="nest", how=how, **settings)


def living(model: nn.Module, name: str) -> Tensor:
    return masks_of(model)[name].flatten()


def test_the_seed_is_sparse_and_every_unit_keeps_a_connection() -> None:
    model = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10))
    data = (torch.randn(4, 40), torch.randn(4, 10))
    Grower(
        model,
        None,
        data[0],
        objective=objective,
        batches=[data],
        when="never",
        where="nest",
        how={"nest": {"seed_density": 0.1}},
    )
    for mask in masks_of(model).values():
        assert mask.any(0).all() and mask.any(1).all()
        assert 0.1 <= mask.float().mean() < 0.2
    assert len(masks_of(model)) == 3


def test_another_selector_sees_units_only() -> None:
    model = mlp()
    grower = grower_for(model, None, where="uniform", how={"nest": {"grow_events": 0}})
    events = train(model, sgd(model), grower, 2)
    assert not masks_of(model) and all(event.sites and not event.pruned for event in events)


def test_without_gradients_it_is_refused() -> None:
    with pytest.raises(GrowthRefused, match="needs gradients"):
        grow(mlp(), torch.randn(2, 4), {"first": 1}, "nest")


def test_the_connections_with_the_largest_gradient_wake() -> None:
    model = mlp(act=nn.Tanh)
    batch = batch_for(model)
    grower = nest(model, how={"seed_density": 0.3})
    objective(model, batch).backward()
    gradients = {n: p.grad.abs().flatten() for n, p in model.named_parameters() if p.ndim > 1 and p.grad is not None}
    dormant = [(float(gradients[n][i]), n, int(i)) for n in gradients for i in (~living(model, n)).nonzero().flatten()]
    model.zero_grad()
    count = -(-len(dormant) // 5)

    found = regrown(context_of(grower), 0.2)

    assert {(c.edit.tensor, int(i)) for c in found for i in c.edit.regrow} == {
        (name, place) for _, name, place in sorted(dormant, reverse=True)[:count]
    }
    assert sum(-c.dormant for c in found) == count and all(c.exact for c in found)


def test_the_smallest_connections_fall_asleep_down_to_the_density() -> None:
    model = mlp()
    sizes = [
        (float(p.detach().abs().flatten()[i]), n, i)
        for n, p in model.named_parameters()
        if p.ndim > 1
        for i in range(p.numel())
    ]
    context = context_of(nest(model, how={"seed_density": 1.0}))

    found = pruned(context, share=0.4, density=0.5, state={})

    cut = {(c.edit.tensor, int(i)) for c in found for i in c.edit.prune}
    assert cut == {(name, place) for _, name, place in sorted(sizes)[: int(0.4 * len(sizes))]}
    apply_edits(model, [c.edit for c in found])
    again = pruned(context, share=0.4, density=0.5, state={})
    assert sum(c.dormant for c in (*found, *again)) == len(sizes) // 2
    assert not {(c.edit.tensor, int(i)) for c in again for i in c.edit.prune} & cut


def test_batch_normalisation_counts_in_the_magnitude() -> None:
    model = cnn()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name == "conv1.weight" else 2.0)
        model[1].weight.copy_(torch.tensor([1.0, -8.0, 8.0, 8.0]))
        model[1].running_var.copy_(torch.tensor([1.0, 1.0, 1.0, 16.0 * 16.0]))
    context = context_of(nest(model, how={"seed_density": 1.0}))

    share = 36 / sum(p.numel() for p in model.parameters() if p.ndim > 1)
    (found,) = pruned(context, share, density=0.01, state={})

    # Channel 0 is 1 wide, channel 3 is 8 / 16; the others, and the other weights, are larger.
    assert found.edit.tensor == "conv1.weight"
    assert sorted(found.edit.prune.tolist()) == [*range(18), *range(54, 72)]


@pytest.mark.parametrize("act", [nn.ReLU, nn.Sigmoid])
def test_the_bridging_gradient_of_linear_layers_is_that_of_a_direct_connection(act: Callable[[], nn.Module]) -> None:
    model = mlp(act=act).double()
    batches = [tuple(t.double() for t in batch_for(model, size, size)) for size in (5, 11)]
    graph = trace(model, batches[0][0])
    bridge = torch.zeros(6, 4, dtype=torch.float64, requires_grad=True)

    def with_bridge(batch: tuple[Tensor, Tensor]) -> Tensor:
        x, target = batch
        second = model[2](model[1](model[0](x))) + x @ bridge.T
        return F.mse_loss(model[4](model[3](second)), target)

    total = sum(with_bridge(batch) * (len(batch[0]) / 16) for batch in batches)
    (expected,) = torch.autograd.grad(total, bridge)

    found = Statistics(model, graph, objective, batches, torch.Generator()).get(BridgingGradient("first"))

    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


def test_the_bridging_gradient_of_convolutions_is_that_of_a_bypass() -> None:
    """One more channel between the two, with incoming kernel omega and outgoing kernel psi: dL/dpsi = B omega."""
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(36, 3),
    ).double()
    batch = (torch.randn(5, 2, 6, 6).double(), torch.randn(5, 3).double())
    graph = trace(model, batch[0])
    omega = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    psi = torch.zeros(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    bypass = F.conv2d(F.conv2d(batch[0], omega, padding=1), psi, stride=2, padding=1)
    loss = F.mse_loss(model[3:](model[:3](batch[0]) + bypass), batch[1])
    (expected,) = torch.autograd.grad(loss, psi)

    found = Statistics(model, graph, objective, [batch], torch.Generator()).get(BridgingGradient("0"))

    torch.testing.assert_close(found @ omega.flatten(), expected.flatten(), rtol=1e-10, atol=1e-14)


def test_a_neuron_acts_against_the_largest_entries() -> None:
    bridge = torch.tensor([[0.0, 3.0, 0.1], [-5.0, 0.2, 0.0]])
    generator = torch.Generator().manual_seed(0)

    found = neuron_vectors(bridge, 3, 1 / 6, generator)

    assert found is not None
    incoming, outgoing, scores = found
    assert scores == pytest.approx([5.0, 3.0, 0.2])
    for unit, (row, column) in enumerate([(1, 0), (0, 1), (1, 1)]):
        assert incoming[unit].nonzero().flatten().tolist() == [column]
        assert outgoing[unit].nonzero().flatten().tolist() == [row]
        assert outgoing[unit, row] * incoming[unit, column] == pytest.approx(-float(bridge[row, column].sign()))
    assert neuron_vectors(torch.zeros(2, 3), 1, 0.5, generator) is None


def test_the_entries_of_a_neuron_add_up_with_their_roots() -> None:
    """The formula by hand: omega_n += e sqrt|B|, psi_m -= e sgn(B) sqrt|B|, then mean size 1."""
    bridge = torch.tensor([[4.0, -1.0], [0.0, 9.0]], dtype=torch.float64)
    found = neuron_vectors(bridge, 1, 0.75, torch.Generator().manual_seed(1))
    signs = torch.randint(0, 2, (3,), generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert found is not None
    omega, psi = torch.zeros(2).double(), torch.zeros(2).double()
    for sign, (row, column) in zip(signs.tolist(), [(1, 1), (0, 0), (0, 1)], strict=True):
        value = float(bridge[row, column])
        omega[column] += sign * abs(value) ** 0.5
        psi[row] -= sign * (1 if value > 0 else -1) * abs(value) ** 0.5
    torch.testing.assert_close(found[0][0], omega / omega.abs().mean())
    torch.testing.assert_close(found[1][0], psi / psi.abs().mean())


def products(bridge: Tensor, entries: Tensor) -> Tensor:
    """psi omega' for many draws of the signs, `[draws, outputs, inputs]`."""
    generator = torch.Generator().manual_seed(0)
    pairs = [opposed(bridge, entries, generator) for _ in range(2000)]
    return torch.stack([outgoing[:, None] * incoming for incoming, outgoing in pairs])


def test_entries_that_share_no_row_and_no_column_get_exactly_what_opposes_them() -> None:
    bridge = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    entries = torch.tensor([0 * 5 + 3, 1 * 5 + 0, 3 * 5 + 4])

    found = products(bridge, entries).flatten(1)[:, entries]

    torch.testing.assert_close(found, -bridge.flatten()[entries].expand_as(found))


def test_entries_that_share_a_row_are_opposed_in_the_mean_only() -> None:
    bridge = torch.tensor([[4.0, -1.0, 0.5], [0.3, 0.2, 0.1]], dtype=torch.float64)
    entries = torch.tensor([0, 1])

    found = products(bridge, entries)

    expected = torch.tensor([[-4.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(found.mean(0), expected, rtol=0, atol=0.15)
    right = (found[:, 0, :2].sign() == expected[0, :2].sign()).double().mean(0)
    assert right[0] == 1.0 and 0.4 < right[1] < 0.6


def test_neurons_are_scaled_and_sparse_and_lower_the_loss() -> None:
    model = mlp(act=nn.Identity)
    batch = batch_for(model)
    apply_edits(
        model, [MaskEdit("first.weight", prune=torch.tensor([0])), MaskEdit("second.weight", prune=torch.tensor([3]))]
    )
    grower = nest(model)
    context = context_of(grower)
    bridge = Statistics(model, grower.graph, objective, [batch], torch.Generator()).get(BridgingGradient("first"))
    means = [float(w.abs().sum() / (w.numel() - 1)) for w in (model[0].weight.detach(), model[2].weight.detach())]
    before = float(objective(model, batch).detach())

    (one,) = neurons(context, "first", bridge, 1, beta=0.1, alpha=0.01)
    apply_edits(model, planned_edits(grower.graph, [one]))

    new_in, new_out = model[0].weight[-1].detach(), model[2].weight[:, -1].detach()
    for weights, mean in ((new_in, means[0]), (new_out, means[1])):
        assert float(weights.abs().sum() / weights.count_nonzero()) == pytest.approx(0.01 * mean)
    assert torch.equal(model[0].weight_mask[-1], new_in != 0)
    assert torch.equal(model[2].weight_mask[:, -1], new_out != 0)
    assert one.dormant == int((new_in == 0).sum() + (new_out == 0).sum()) > 0
    assert float(objective(model, batch).detach()) < before and not one.exact


def test_of_the_feature_maps_the_best_set_is_taken() -> None:
    model = cnn()
    losses = []
    for trials in (1, 6):
        context = context_of(nest(copy.deepcopy(model)))
        found = feature_maps(context, "conv2", 2, trials, 0.5)
        assert len(found) == 2 and not any(c.exact for c in found)
        losses.append(sum(c.predicted_change for c in found))
    assert losses[1] < losses[0]


def test_the_change_that_feature_maps_predict_is_the_measured_one() -> None:
    model = cnn()
    batch = batch_for(model)
    event = grow(model, batch[0], {"conv2": 2}, "nest", objective=objective, batches=[batch])
    assert event.measured_change == pytest.approx(event.predicted_change, abs=1e-6)


def test_dead_units_are_removed_with_what_they_said() -> None:
    model = mlp(act=nn.Sigmoid)
    apply_edits(
        model,
        [MaskEdit("first.weight", prune=torch.arange(4, 8)), MaskEdit("head.weight", prune=torch.tensor([2, 8, 14]))],
    )
    found = dead(context_of(nest(model)))
    assert [(c.site, c.removed, c.dormant) for c in found] == [("first", 1, -4), ("second", 2, -3)]
    assert list(found[0].offsets) == ["second.bias"] and not found[1].offsets


@pytest.mark.parametrize("build", [mlp, cnn])
def test_a_run_grows_then_prunes_within_its_budget(build: Callable[[], nn.Module]) -> None:
    model = build()
    optimizer = sgd(model)
    limit = 70 if build is mlp else 300
    grower = nest(model, optimizer, budget={"parameters": limit}, how={"seed_density": 0.5, "density": 0.2})
    start = active_parameters(model)
    log = []
    for _ in range(14):
        for event in train(model, optimizer, grower, 1):
            assert event.refused is None
            assert event.active_after == active_parameters(model) <= limit
            assert event.parameters_after == sum(p.numel() for p in model.parameters())
            log.append(event)
        assert all(
            not p[~masks_of(model)[n]].count_nonzero() for n, p in model.named_parameters() if n in masks_of(model)
        )
    assert all(event.regrown and not event.pruned for event in log[:2]) and log[0].active_before == start
    assert all((event.pruned or event.removed) and not event.regrown and not event.sites for event in log[2:])
    assert sum(event.pruned for event in log) > 20
    assert any(event.removed for event in log)
    assert max(event.active_after for event in log) > 0.9 * limit
    masks = masks_of(model)
    assert all(name in masks for name, p in model.named_parameters() if p.ndim > 1)
    assert bool(torch.isfinite(objective(model, batch_for(model))))


NETWORK = {"name": "mlp", "hidden": [12, 8]}
GROWTH = {
    "when": {"interval": {"every": 4}},
    "where": {"nest": {}},
    "how": {"nest": {"grow_events": 2, "density": 0.2, "trials": 2}},
    "budget": {"width": 1.5},
    "statistics": {"batch_size": 16},
}
TRAINING = {"steps": 30, "batch_size": 16, "optimizer": {"name": "adamw", "lr": 0.01}}


def config() -> RunConfig:
    return RunConfig.model_validate(
        {"data": {"name": "digits"}, "network": NETWORK, "training": TRAINING, "growth": GROWTH}
    )


def start(folder: Path) -> TrainingRun:
    folder.mkdir(parents=True, exist_ok=True)
    return TrainingRun(config(), 3, folder, "cpu", lambda event: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingRun, dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("whole")
    run = start(folder)
    run.train()
    result = run.finish()
    run.close()
    return run, result, folder


@pytest.mark.parametrize("step", [2, 4, 9, 17])
def test_a_killed_run_goes_on_bit_for_bit(
    whole: tuple[TrainingRun, dict[str, Any], Path], tmp_path: Path, step: int
) -> None:
    run = start(tmp_path)
    run.train(step)
    run.save()
    run.train(step + 5)
    run.close()
    run = start(tmp_path)
    assert run.counters.step == step
    run.train()
    run.close()

    expected, found = whole[0].setup.model.state_dict(), run.setup.model.state_dict()
    assert found.keys() == expected.keys() and any(name.endswith("_mask") for name in found)
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []
    lines = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_lines(folder / "growth.jsonl")]
        for folder in (whole[2], tmp_path)
    ]
    assert lines[0] == lines[1] and len(lines[0]) == 6


def test_an_exported_network_is_loaded_and_compacted(whole: tuple[TrainingRun, dict[str, Any], Path]) -> None:
    run, result, folder = whole
    inputs = run.setup.statistics.first(8)[0]
    expected = outputs_of(run.setup.model, inputs, training=False)

    loaded = load_network(folder)

    assert all(torch.equal(value, run.setup.model.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert result.active_parameters == active_parameters(loaded) < result.parameters
    before = sum(p.numel() for p in loaded.parameters())
    apply_edits(loaded, [MaskEdit("1.weight", prune=torch.arange(64))])
    cut_off = outputs_of(loaded, inputs, training=False)
    compact(loaded, inputs)
    assert sum(p.numel() for p in loaded.parameters()) < before
    torch.testing.assert_close(outputs_of(loaded, inputs, training=False), cut_off, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(outputs_of(load_network(folder), inputs, training=False), expected)


def test_a_sparse_seed_keeps_the_variance_of_what_its_units_take_in() -> None:
    """Living weights are scaled by the root of how much rarer they are: without that a sparse seed hardly trains."""
    model = nn.Sequential(nn.Linear(400, 300), nn.ReLU(), nn.Linear(300, 10))
    before = model[0].weight.detach().clone()
    inputs = torch.randn(256, 400)
    dense = float((inputs @ before.T).var())
    data = (inputs[:4], torch.randn(4, 10))
    how = {"nest": {"seed_density": 0.1}}
    Grower(model, None, data[0], objective=objective, batches=[data], when="never", where="nest", how=how)
    alive = model[0].weight != 0
    density = float(alive.float().mean())
    assert 0.09 < density < 0.12
    torch.testing.assert_close(model[0].weight[alive], before[alive] * density**-0.5)
    assert float((inputs @ model[0].weight.detach().T).var()) == pytest.approx(dense, rel=0.1)

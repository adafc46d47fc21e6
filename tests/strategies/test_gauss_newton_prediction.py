"""Gauss-Newton morphisms: what is predicted is what happens."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.growth import Candidate, GrowthContext, Removal
from growsearch.growth.expanded_model import ExpandedModel
from growsearch.surgery import undisturbed
from growsearch_strategies.gauss_newton.bias_compensation import bias_compensations
from growsearch_strategies.gauss_newton.candidates import signed_splits, symmetric_splits
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.passes import observe, perturbed_inputs
from growsearch_strategies.gauss_newton.predicted_changes import PredictedChanges, predict_changes
from growsearch_strategies.gauss_newton.signed import SignedSplits
from growsearch_strategies.gauss_newton.symmetric import Directions, half_sum, learn_symmetric
from tests.strategies.gauss_newton_tasks import (
    Batch,
    classes,
    cnn,
    context_of,
    data,
    loss,
    mlp,
    own_labels,
    proposed,
    surrogate_of,
)


def numbers(model: nn.Module, batch: Batch) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def measured(context: GrowthContext, *candidates: Candidate) -> float:
    return loss(context, candidates) - loss(context, ())


def predictions_of(
    context: GrowthContext, size: float, draws: int = 1, steps: int = 1, cap: float = 0.5
) -> tuple[dict[str, PredictedChanges], dict[str, Tensor], SignedSplits, dict[str, Any]]:
    """PredictedChanges on the first batch, of directions of this size learned there."""
    surrogate, batches = surrogate_of(context), context.batches[:1]
    with eval_no_dropout(context.model):
        symmetric = learn_symmetric(surrogate, batches, steps, 0.1, cap, context.generator)
        signed = SignedSplits(surrogate, size, 0.1, context.generator)
        seen = [observe(surrogate, batch, context.generator) for batch in batches]
        signed.learn(seen, 2)
        compensations = {p.site.name: bias_compensations(surrogate, context.graph, p, seen) for p in surrogate.problems}
        found = [
            predict_changes(
                surrogate, observe(surrogate, batches[0], context.generator), symmetric, signed, compensations
            )
            for _ in range(draws)
        ]
    return (
        {name: PredictedChanges.joined([p[name] for p in found]) for name in found[0]},
        symmetric,
        signed,
        compensations,
    )


@pytest.mark.parametrize("kernel", [None, 3])
def test_the_symmetric_split_of_a_relu_changes_its_activation_by_half_of_what_the_shift_exceeds_it(
    kernel: int | None,
) -> None:
    torch.manual_seed(0)
    if kernel is None:
        model, batch = mlp(nn.ReLU), data(mlp(nn.ReLU))
    else:
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 4), nn.Flatten()).double()
        batch = data(model)
    context = context_of(model, [batch])
    surrogate = surrogate_of(context)
    with eval_no_dropout(model), torch.no_grad():
        seen = observe(surrogate, batch, context.generator)
        shifts = Directions(surrogate, 0.5, context.generator).shifts()
        change = half_sum(
            seen, perturbed_inputs(surrogate, seen, shifts, 1.0), perturbed_inputs(surrogate, seen, shifts, -1.0)
        )
        problem = surrogate.problems[0]
        producer, consumer = (model.get_submodule(ends[0].module) for ends in (problem.producers, problem.consumers))
        z = producer(batch[0])
        without = replace_weight(producer, torch.zeros_like)
        epsilon = replace_weight(producer, lambda w: shifts[problem.producers[0].module])(batch[0]) - without(batch[0])
    expected = 0.5 * (epsilon.abs() - z.abs()).clamp_min(0)
    found = next(value for key, value in change.items() if model.get_submodule(key[0]) is consumer)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def replace_weight(layer: nn.Module, value: Callable[[Tensor], Tensor]) -> nn.Module:
    twin = copy.deepcopy(layer)
    assert isinstance(twin.weight, nn.Parameter)
    twin.weight.copy_(value(twin.weight))
    return twin


@pytest.mark.parametrize("build", [mlp, lambda: cnn(nn.Softplus)], ids=["mlp", "cnn"])
def test_the_prediction_is_right_to_first_order_in_the_change_of_the_activation(
    build: Callable[[], nn.Module],
) -> None:
    """A symmetric split changes the activation by O(d^2), so what r leaves out is O(d^4): 16 times less at half d."""
    torch.manual_seed(1)
    model = build()
    if not isinstance(model[0], nn.Linear):  # type: ignore[index]
        model.pool = nn.AvgPool2d(2)
    context = context_of(model, [data(model, 16)])
    surrogate = surrogate_of(context)
    errors: dict[tuple[str, int], list[float]] = {}
    with eval_no_dropout(model), torch.no_grad():
        shifts = Directions(surrogate, 0.4, context.generator).shifts()
        for factor in (1.0, 0.5):
            half = {path: factor * value for path, value in shifts.items()}
            seen = observe(surrogate, context.batches[0], context.generator)
            signed = SignedSplits(surrogate, 0.1, 0.1, context.generator)
            signed.learn([seen], 1)
            predictions = predict_changes(surrogate, seen, half, signed, {})
            for problem in surrogate.problems:
                for candidate in symmetric_splits(problem, predictions[problem.site.name].symmetric, half):
                    assert candidate.effects is not None and candidate.unit is not None
                    error = measured(context, candidate) - float(candidate.effects[0].mean())
                    errors.setdefault((problem.site.name, candidate.unit), []).append(error)
    assert len(errors) >= 9
    ratios = [whole / half for whole, half in errors.values() if abs(half) > 1e-13]
    assert ratios
    assert all(10 < ratio < 24 for ratio in ratios)


def test_signed_splits_and_removals_are_exact_where_the_loss_is_quadratic() -> None:
    """A linear network under squared error: nothing is left out but the noise of the sampled residuals."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)).double()
    context = context_of(model, [data(model, 64, regression=True)], numbers)
    predictions, _, signed, compensations = predictions_of(context, 0.1, draws=400)
    (problem,) = surrogate_of(context).problems
    own = predictions[problem.site.name]
    for candidate in signed_splits(problem, own, signed, own.amplitudes(0.0, 50.0)):
        assert candidate.predicted_change is not None and candidate.predicted_change < -1e-4
        assert measured(context, candidate) == pytest.approx(candidate.predicted_change, rel=0.05)
    removal = own.removal.change()
    for unit in problem.units:
        compensation = {f.tensor: f.offset(unit) for f in compensations[problem.site.name]}
        candidate = Removal(problem.site.name, 0, 0, 0, unit, offsets=compensation, exact=False)
        assert measured(context, candidate) == pytest.approx(float(removal[unit]), rel=0.05)


def test_a_scaled_objective_is_priced_in_its_own_scale() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)).double()
    batch = data(model, 64, regression=True)
    found = []
    for scale in (1.0, 3.0):
        context = context_of(model, [batch], lambda m, b, scale=scale: scale * numbers(m, b))  # type: ignore[misc]
        found.append(predictions_of(context, 0.1, draws=200)[0]["0"].removal.change() / scale)
    torch.testing.assert_close(*found, rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("build", [lambda: mlp(nn.ReLU), cnn], ids=["mlp", "cnn"])
def test_installed_alone_each_candidate_does_what_it_predicts(build: Callable[[], nn.Module]) -> None:
    """Through normalisation, max pooling, padding and a flatten; many draws, small changes."""
    torch.manual_seed(3)
    model = build()
    context = context_of(model, [data(model, 48)])
    predictions, symmetric, signed, compensations = predictions_of(context, 0.02, draws=20, steps=10, cap=0.1)
    rows = []
    for problem in surrogate_of(context).problems:
        own = predictions[problem.site.name]
        splits = [
            *symmetric_splits(problem, own.symmetric, symmetric),
            *signed_splits(problem, own, signed, own.amplitudes(0.1, 0.5)),
        ]
        rows += [(c.predicted_change, measured(context, c)) for c in splits]
    # Shifts too small for any kink in the data do nothing at all.
    predicted, found = torch.tensor([row for row in rows if abs(row[1]) > 1e-9], dtype=torch.float64).T
    assert len(found) > len(rows) / 2
    assert float(torch.corrcoef(torch.stack([predicted, found]))[0, 1]) > 0.98
    assert float(((predicted - found).abs() / found.abs()).median()) < 0.1


def test_a_signed_split_without_its_incoming_shift_leaves_the_function_as_it_is() -> None:
    torch.manual_seed(3)
    model = cnn()
    context = context_of(model, [data(model)])
    predictions, _, signed, _ = predictions_of(context, 0.1)
    for problem in surrogate_of(context).problems:
        own = predictions[problem.site.name]
        for candidate in signed_splits(problem, own, signed, own.amplitudes(0.1, 5.0)):
            shifts = {key: pair for key, pair in candidate.shifts.items() if key[1] == 1}
            assert shifts and all(float(first.norm()) > 0 for first, _ in shifts.values())
            assert measured(context, replace(candidate, shifts=shifts)) == pytest.approx(0, abs=1e-12)


def test_copies_keep_their_scale_behind_batch_normalisation() -> None:
    """In training mode, with the batch that the statistics come from, splits do what they do in evaluation mode.

    Exactly where no other normalisation comes behind: that one sees a changed batch, whatever the copies do.
    """
    torch.manual_seed(3)
    model = cnn()
    batch = data(model, 64)
    for path in ("norm1", "norm2"):
        # Running statistics are those of the batch.
        model.get_submodule(path).momentum = None  # type: ignore[assignment]
        model.get_submodule(path).reset_running_stats()  # type: ignore[operator]
    model.train()(batch[0])
    for path in ("norm1", "norm2"):
        norm = model.get_submodule(path)
        norm.running_var.mul_((norm_count(path) - 1) / norm_count(path))  # type: ignore[operator,union-attr]
    context = context_of(model, [batch])
    splits = [c for c in proposed(context, size=0.3, reach=0.2) if c.adds]
    before = training_loss(model, batch)
    assert before == pytest.approx(loss(context, ()), rel=1e-9)
    for c in splits:
        bare = replace(c, shifts={key: pair for key, pair in c.shifts.items() if pair[0].ndim > 1})
        assert measured(context, c) == pytest.approx(measured(context, bare), abs=1e-9)
    errors: dict[tuple[str, bool], float] = {}
    for site, rescaled in [(site, rescaled) for site in ("conv1", "conv2") for rescaled in (True, False)]:
        candidates = [
            c if rescaled else replace(c, shifts={k: p for k, p in c.shifts.items() if p[0].ndim > 1})
            for c in splits
            if c.site == site
        ]
        changes = [training_loss(ExpandedModel(model, context.graph, [c]).model, batch) - before for c in candidates]
        wanted = [measured(context, c) for c in candidates]
        errors[site, rescaled] = max(abs(a - b) for a, b in zip(changes, wanted, strict=True))
    assert errors["conv2", True] < 1e-9 < 1e-4 < errors["conv2", False]
    assert errors["conv1", True] < errors["conv1", False]


def training_loss(model: nn.Module, batch: Batch) -> float:
    with undisturbed(model), torch.no_grad():
        return float(classes(model.train(), batch))


def norm_count(path: str) -> int:
    """Values of a channel in a batch of 64."""
    return 64 * (36 if path == "norm1" else 9)


def test_learned_directions_lower_the_loss_more_than_random_ones() -> None:
    torch.manual_seed(4)
    model = mlp(nn.ReLU)
    context = context_of(model, [data(model, 256)])
    surrogate = surrogate_of(context)
    with eval_no_dropout(model):
        first = Directions(surrogate, 0.5, context.generator)
        first.normalise(0.5)
        seen = observe(surrogate, context.batches[0], context.generator)
        signed = SignedSplits(surrogate, 0.1, 0.1, context.generator)
        signed.learn([seen], 2)
        learned = learn_symmetric(surrogate, context.batches, 40, 0.1, 0.5, context.generator)
        with torch.no_grad():
            random = predict_changes(surrogate, seen, first.shifts(), signed, {})
            found = predict_changes(surrogate, seen, learned, signed, {})
    for name in context.sites:
        assert float(found[name].symmetric.change().sum()) < float(random[name].symmetric.change().sum())


def test_shifts_stay_within_their_cap() -> None:
    torch.manual_seed(4)
    model = cnn()
    context = context_of(model, [data(model)])
    found = [c for c in proposed(context, cap=0.3, size=0.05, steps=20, lr=1.0) if c.adds]
    weights = dict(model.named_parameters())
    for c in found:
        for (tensor, axis), (first, second) in c.shifts.items():
            if first.ndim < 2:
                continue
            torch.testing.assert_close(first, -second)
            if axis == 0:
                assert float(first.norm()) <= 0.3 * float(weights[tensor][c.unit].detach().norm()) * (1 + 1e-6)


def test_a_dead_unit_is_removed_first_and_costs_nothing() -> None:
    torch.manual_seed(5)
    model = mlp(nn.ReLU)
    with torch.no_grad():
        model.second.weight[:, 2] = 0  # type: ignore[union-attr,index]
    batches = own_labels(model)
    removals = [c for c in proposed(context_of(model, batches)) if not c.adds and c.site == "first"]
    assert removals[0].unit == 2 and removals[0].predicted_change == pytest.approx(0, abs=1e-12)
    assert (removals[1].predicted_change or 0) > 1e-6


def test_the_mean_of_a_removed_unit_goes_into_what_follows() -> None:
    """A unit that is constant is removed without any change: into a bias, and into the mean of a normalisation."""
    torch.manual_seed(5)
    model = cnn()
    with torch.no_grad():
        model.norm1.weight[1], model.norm1.bias[1] = 0.0, 0.7  # type: ignore[index,union-attr,operator]
        model.norm2.weight[3], model.norm2.bias[3] = 0.0, 0.7  # type: ignore[index,union-attr,operator]
        model.conv2.padding = (0, 0)  # type: ignore[union-attr,assignment]
        model.head = nn.Linear(5, 3).double()
    context = context_of(model, [data(model, 32)])
    removals = {(c.site, c.unit): c for c in proposed(context) if not c.adds}
    for site, unit, tensor in (("conv1", 1, "norm2.running_mean"), ("conv2", 3, "head.bias")):
        candidate = removals[site, unit]
        assert set(candidate.offsets) == {tensor}
        assert candidate.predicted_change == pytest.approx(0, abs=1e-12)
        assert measured(context, candidate) == pytest.approx(0, abs=1e-12)
        assert abs(measured(context, replace(candidate, offsets={}))) > 1e-5

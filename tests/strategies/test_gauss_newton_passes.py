"""What the runs of the Gauss-Newton model compute, and on which data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from growsearch.graph.metering import FlopMeter
from growsearch_strategies.gauss_newton.division import in_parts
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.passes import both_inputs, observe
from growsearch_strategies.gauss_newton.position_sums import position_sums
from growsearch_strategies.gauss_newton.symmetric import Directions
from tests.strategies.gauss_newton_tasks import context_of, data, mlp, surrogate_of


def test_a_run_with_shifts_computes_their_products_and_no_other() -> None:
    torch.manual_seed(0)
    model = mlp(nn.ReLU)
    batch = data(model)
    context = context_of(model, [batch])
    surrogate = surrogate_of(context)
    with eval_no_dropout(model), torch.no_grad():
        shifts = Directions(surrogate, 0.5, context.generator).shifts()
        seen = observe(surrogate, batch, context.generator)
        with FlopMeter() as both:
            found = both_inputs(surrogate, seen, shifts)
    weights = sum(value.numel() for value in shifts.values())
    assert both.flops == 2 * len(batch[0]) * weights

    def twice(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return 2 * output

    # What a user's hook makes of a layer's output is run again.
    hooked = mlp(nn.ReLU)
    hooked.load_state_dict(model.state_dict())
    for module in hooked.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(twice)
    context = context_of(hooked, [batch])
    surrogate = surrogate_of(context)
    with eval_no_dropout(hooked), torch.no_grad():
        seen = observe(surrogate, batch, context.generator)
        none = {path: torch.zeros_like(value) for path, value in shifts.items()}
        for side in both_inputs(surrogate, seen, none):
            for key, value in side.items():
                torch.testing.assert_close(value, seen.inputs[key])
    assert found[0].keys() == found[1].keys()


def test_batches_are_learned_from_in_parts_where_all_that_is_in_them_can_be_divided() -> None:
    x, y = torch.arange(100.0)[:, None], torch.arange(100)
    parts = in_parts([(x, {"label": y})], 30)
    assert [len(inputs) for inputs, _ in parts] == [34, 33, 33]
    assert torch.equal(torch.cat([inputs for inputs, _ in parts]), x)
    assert all(torch.equal(inputs[:, 0].long(), targets["label"]) for inputs, targets in parts)
    for whole in ((x, "name"), (x, y[:50]), (x, torch.tensor(1.0)), (x[:40], y[:40])):
        assert in_parts([whole], 30) == [whole]


def test_sums_over_positions_are_those_of_the_products() -> None:
    torch.manual_seed(0)
    for shape, axis in (((5, 3, 4, 2), 1), ((5, 4, 3), -1), ((5, 3), -1)):
        change = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        first, second = torch.randn(2, *shape, dtype=torch.float64).unbind()
        positions = tuple(d for d in range(1, len(shape)) if d != axis % len(shape))
        expected = tuple((g * change).sum(positions) if positions else g * change for g in (first, second))
        found = position_sums(change, first, second, axis)
        torch.testing.assert_close(found, expected)
        slope = torch.randn_like(found[0])
        own = torch.autograd.grad([(each * slope).sum() * k for k, each in enumerate(found, 1)], change)
        torch.testing.assert_close(
            own, torch.autograd.grad([(each * slope).sum() * k for k, each in enumerate(expected, 1)], change)
        )

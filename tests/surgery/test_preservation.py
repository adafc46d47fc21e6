from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from growsearch.surgery import outputs_of, relative_difference, undisturbed


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: torch.Tensor, shift: float = 0.0) -> dict:
        inputs += 1.0
        return {"noise": torch.rand(2), "values": [self.dropout(self.norm(inputs)) + shift]}


def test_running_leaves_no_trace():
    model, inputs = Noisy(), torch.randn(4, 3)
    model.norm.eval()
    mean, values, given = model.norm.running_mean, model.norm.running_mean.clone(), inputs.clone()
    state = torch.get_rng_state()
    outputs_of(model, inputs, training=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.norm.running_mean is mean
    assert torch.equal(mean, values)
    assert model.norm.num_batches_tracked == 0
    assert [module.training for module in model.modules()] == [True, False, True]
    assert torch.equal(inputs, given)


def test_runs_are_repeatable_and_train_mode_uses_the_batch():
    model, inputs = Noisy(), torch.randn(4, 3)
    first = outputs_of(model, inputs, training=True)
    torch.rand(1)
    second = outputs_of(model, inputs, training=True)
    assert relative_difference(first, second) == 0.0
    assert relative_difference(first, outputs_of(model, inputs, training=False)) > 0.1
    batch = inputs + 1
    wanted = (batch - batch.mean(0)) / (batch.var(0, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(first["values"][0], wanted, atol=1e-5)


def test_inputs_are_arguments_keywords_or_several_examples():
    model, inputs = Noisy(), torch.randn(4, 3)
    alone = outputs_of(model, inputs, training=False)
    shifted = outputs_of(model, (inputs, 2.0), training=False)
    assert torch.equal(shifted["values"][0], alone["values"][0] + 2.0)
    several = outputs_of(model, [inputs, {"inputs": inputs, "shift": 2.0}], training=False)
    assert relative_difference(several, [alone, shifted]) == 0.0


def test_a_failing_run_leaves_no_trace():
    model = Noisy()
    try:
        with undisturbed(model):
            model.eval()
            model.norm.running_mean = torch.ones(3)
            raise RuntimeError
    except RuntimeError:
        pass
    assert model.training and model.norm.running_mean.sum() == 0


@dataclass
class Output:
    logits: torch.Tensor
    label: str = "x"


def test_the_difference_is_relative_to_the_largest_entry():
    before = Output(torch.tensor([1.0, -200.0]))
    assert math.isclose(relative_difference(before, Output(torch.tensor([3.0, -200.0]))), 0.01, rel_tol=1e-6)
    assert relative_difference(before, before) == 0.0
    zero = torch.zeros(2)
    assert relative_difference({"a": zero, "b": before.logits}, {"a": zero + 1e-3, "b": before.logits}) == 1.0


def test_outputs_without_tensors_do_not_differ():
    assert relative_difference([], []) == 0
    assert relative_difference({}, {}) == 0


class Held:
    """Any object: its values and, where there are some, its state."""

    def __init__(self, value: Any, *state: torch.Tensor) -> None:
        self.value, self.state, self.itself = value, state, self


FORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "object": Held,
    "namespace": lambda y: {"out": SimpleNamespace(y=[y])},
    "distribution": lambda y: torch.distributions.Normal(y, 1.0),
    "queue": lambda y: deque([y]),
    "number": lambda y: (float(y[0, 0]), 1),
    "array": lambda y: y.numpy(),
    "sparse": lambda y: y.to_sparse(),
    "nested": lambda y: torch.nested.nested_tensor([y[0], y[1, :2]]),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("form", FORMS)
def test_values_are_found_wherever_outputs_hold_them(form: str) -> None:
    y = torch.tensor([[1.0, 2.0, 4.0], [4.0, 3.0, 4.0]])
    assert relative_difference(FORMS[form](y), FORMS[form](y.clone())) == 0.0
    assert relative_difference(FORMS[form](y), FORMS[form](2 * y)) == 0.5


def test_what_an_object_holds_in_another_shape_is_its_state() -> None:
    one = torch.ones(2)
    assert relative_difference(Held(one, one), Held(one, torch.ones(3), one)) == 0.0
    assert relative_difference(Held(one, one), Held(2 * one, torch.ones(3))) == 0.5


def test_rows_that_an_embedding_shortens_are_put_back() -> None:
    model = nn.Embedding(5, 3, max_norm=0.1)
    before = model.weight.detach().clone()
    outputs_of(model, torch.arange(5), training=True)
    assert torch.equal(model.weight, before)


def test_what_cannot_be_compared_is_infinitely_different():
    one = torch.ones(2)
    pairs = [
        (one, torch.ones(3)),
        ([one], [one, one]),
        ({"a": one}, {"b": one}),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (one, torch.tensor([1.0, math.nan])),
        (one, torch.tensor([1.0, math.inf])),
        (one, None),
    ]
    assert [relative_difference(*pair) for pair in pairs] == [math.inf] * len(pairs)


def test_entries_that_are_equally_not_finite_are_equal():
    masked = torch.tensor([1.0, -math.inf, math.nan])
    assert relative_difference(masked, masked.clone()) == 0.0
    assert math.isclose(relative_difference(masked, masked + 1.0), 0.5)

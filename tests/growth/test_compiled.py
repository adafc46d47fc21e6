"""Compiled networks grow: the module inside is edited, and what is called next is compiled for its new sizes."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

import growsearch
from growsearch import SoftGrower
from growsearch.errors import TraceError
from tests.growth.tasks import batch_for, grower_for, mlp, sgd, train, widths


def compiled_wrapper(model: nn.Module, backend: Any) -> Any:
    return torch.compile(model, backend=backend)


class Chained(nn.Sequential):
    """A sequence whose `forward` is not torch's own code, which older versions do not compile in place."""

    def forward(self, stream: Tensor) -> Tensor:
        for module in self:
            stream = module(stream)
        return stream


def compiled_in_place(model: nn.Module, backend: Any) -> Any:
    chained = Chained(OrderedDict(model.named_children()))
    chained.compile(backend=backend)
    return chained


FORMS = pytest.mark.parametrize(("form", "events"), [(compiled_wrapper, 30), (compiled_in_place, 10)])
FORM = pytest.mark.parametrize("form", [compiled_wrapper, compiled_in_place])


def compiles(counter: CompileCounter, call: Callable[[], Tensor]) -> int:
    """How many frames a call compiles."""
    before = counter.frame_count
    call()
    return counter.frame_count - before


@FORMS
def test_a_compiled_network_computes_what_the_eager_one_does_over_many_events(
    form: Callable[..., Any], events: int
) -> None:
    counter = CompileCounter()
    eager = mlp()
    model = form(copy.deepcopy(eager), counter)
    grower, other = grower_for(model, sgd(model), amount=0.1), grower_for(eager, sgd(eager), amount=0.1)
    optimizers = grower._growing.optimizer, other._growing.optimizer

    for event in range(events):
        assert compiles(counter, lambda: model(batch_for(eager)[0])) == 1, f"after event {event} it runs uncompiled"
        assert train(model, optimizers[0], grower, 1)[0].refused is None
        train(eager, optimizers[1], other, 1)

    assert widths(grower) == widths(other) != {"first": 4, "second": 6}
    torch.testing.assert_close(model(batch_for(eager)[0]), eager(batch_for(eager)[0]), rtol=1e-6, atol=1e-7)


def test_without_dropping_what_was_compiled_it_would_run_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.growth.step.drop_compiled", lambda: None)
    counter = CompileCounter()
    model = compiled_wrapper(mlp(), counter)
    grower = grower_for(model, amount=0.1)

    found = []
    for _ in range(10):
        found.append(compiles(counter, lambda: model(batch_for(model._orig_mod)[0])))
        grower.step()

    assert found[0] == 1 and found[-1] == 0


@FORM
def test_nothing_is_compiled_while_a_network_grows(form: Callable[..., Any]) -> None:
    counter = CompileCounter()
    model = form(mlp(), counter)
    grower = grower_for(model, how="gradmax", where="singular_value")

    event = grower.step()

    assert event is not None and event.measured_change is not None
    assert counter.frame_count == 0


def test_what_was_compiled_is_dropped_with_an_event_only() -> None:
    counter = CompileCounter()
    model = compiled_wrapper(mlp(), counter)
    grower = grower_for(model, when={"interval": {"every": 2}})
    x = batch_for(model._orig_mod)[0]
    assert compiles(counter, lambda: model(x)) == 1

    grower.step()
    assert compiles(counter, lambda: model(x)) == 0
    grower.step()
    assert compiles(counter, lambda: model(x)) == 1


def test_one_growth_trained_sizes_and_files_take_a_compiled_network(tmp_path: Path) -> None:
    model, inputs = compiled_wrapper(mlp(), "eager"), batch_for(mlp())[0]
    growsearch.grow(model, inputs, {"first": 2})
    assert model(inputs).shape == (16, 3) and model._orig_mod.first.out_features == 6

    growsearch.save(tmp_path / "network.pt", model)
    again = compiled_wrapper(mlp(), "eager")
    assert growsearch.load(tmp_path / "network.pt", again) is again
    assert torch.equal(again(inputs), model(inputs))

    soft = SoftGrower(model, sgd(model), inputs)
    assert soft.compact().removed == {} and "_orig_mod" not in "".join(soft.graph.sites)


def test_a_compiled_part_is_named() -> None:
    model = mlp()
    model[1] = torch.compile(model[1], backend="eager")

    with pytest.raises(
        TraceError, match=r"the module 'act1' is wrapped in OptimizedModule.*module.compile\(\) compiles"
    ):
        grower_for(model)
    model[1] = nn.ReLU()
    model[1].compile(backend="eager")
    assert grower_for(model).step() is not None

"""Law 8: a growth that fails leaves model, optimizer, companions, graph and growth state as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from growsearch import Grower
from growsearch.errors import GrowthFailed, TraceError
from tests.growth.tasks import cnn, grower_for, mlp, same, train
from tests.laws.settings import cheap, hows

Failure = Callable[[pytest.MonkeyPatch], type[Exception] | None]
PLAIN = (bool, int, float, str, tuple, type(None))


class Sabotage(Exception):
    """An error that nobody expects."""


def trace_fails(monkeypatch: pytest.MonkeyPatch) -> type[Exception] | None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise TraceError("shapes do not fit")

    monkeypatch.setattr("growsearch.growth.step.trace", fail)
    return None


def preservation_fails(monkeypatch: pytest.MonkeyPatch) -> type[Exception] | None:
    monkeypatch.setattr("growsearch.growth.step.output_change", lambda *_: [0.5, 0.5])
    return None


def measuring_fails(monkeypatch: pytest.MonkeyPatch) -> type[Exception] | None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise GrowthFailed("the objective is nan")

    monkeypatch.setattr("growsearch.growth.step.recalibrate", fail)
    return None


def surgery_breaks_off(monkeypatch: pytest.MonkeyPatch) -> type[Exception] | None:
    """In the middle of the edits: some tensors are replaced already, some are not."""
    from growsearch.surgery import transaction

    calls = {"left": 2}

    def limited(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            calls["left"] -= 1
            if calls["left"] <= 0:
                raise Sabotage
            return function(*args, **kwargs)

        return run

    monkeypatch.setattr(transaction, "reindex", limited(transaction.reindex))
    monkeypatch.setattr(transaction, "join_optimizers", limited(lambda *args: (_ for _ in ()).throw(Sabotage)))
    return Sabotage


FAILING = [
    *((how, surgery_breaks_off) for how in hows()),
    *((how, fails) for how in ("zero", "identity") for fails in (trace_fails, preservation_fails, measuring_fails)),
]
"""What breaks off in the middle depends on the edits, so on the initializer; what fails before or behind, on none."""


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer, grower: Grower) -> dict[str, Any]:
    """Everything that a growth may change: values, object identities, attributes, modes."""
    averaged = grower.companions[0]
    growth = grower.state_dict()
    # The draws and the selector's turn may move on, so that the next event tries something else; steps are counted.
    del growth["generator"], growth["state"], growth["progress"]["step"], growth["progress"]["flops"]
    return {
        "model": copy.deepcopy(dict(model.state_dict())),
        "companion": copy.deepcopy(dict(averaged.state_dict())),
        "objects": [id(t) for m in (model, averaged) for t in (*m.parameters(), *m.buffers(), *m.modules())],
        "attributes": [
            {k: v for k, v in vars(module).items() if isinstance(v, PLAIN)}
            for m in (model, averaged)
            for module in m.modules()
        ],
        "gradients": [p.grad is None or p.grad.clone() for p in model.parameters()],
        "held": [[id(p) for p in group["params"]] for group in optimizer.param_groups],
        "names": copy.deepcopy([group["param_names"] for group in optimizer.param_groups]),
        "keys": [id(p) for p in optimizer.state],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "graph": id(grower.graph),
        "growth": growth,
        "random": torch.get_rng_state(),
    }


def prepared(how: str, build: Callable[[], nn.Module]) -> tuple[nn.Module, torch.optim.Optimizer, Grower]:
    model = build()
    optimizer = torch.optim.Adam(model.named_parameters(), lr=0.01)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    grower = grower_for(
        model,
        optimizer,
        when={"schedule": {"steps": [1, 3, 4]}},
        how=cheap("how", how),
        companions=[averaged],
        budget={"units": 8},
    )
    train(model, optimizer, grower, 2)
    averaged.update_parameters(model)
    return model, optimizer, grower


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {key for key in before if not same(before[key], after[key])}


@pytest.mark.parametrize(("how", "failure"), FAILING, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_failed_growth_leaves_no_trace(how: str, failure: Failure) -> None:
    model, optimizer, grower = prepared(how, cnn)
    before = snapshot(model, optimizer, grower)
    with pytest.MonkeyPatch.context() as patch:
        expected = failure(patch)
        if expected is None:
            event = grower.step()
            assert event is not None and event.refused and event.sites == {} and event.edits == ()
            assert event.parameters_after == event.parameters_before == sum(p.numel() for p in model.parameters())
        else:
            with pytest.raises(expected):
                grower.step()
    assert changed(before, snapshot(model, optimizer, grower)) == set()
    # Nothing that failed stands in the way of the next event.
    events = train(model, optimizer, grower, 1)
    assert [event.refused for event in events] == [None]


@pytest.mark.parametrize("how", hows())
def test_a_growth_that_succeeds_shows_in_the_snapshot(how: str) -> None:
    """Negative control: all that is compared does change with a growth, but for gradients and random state."""
    model, optimizer, grower = prepared(how, mlp)
    before = snapshot(model, optimizer, grower)
    event = grower.step()
    assert event is not None and event.refused is None
    seen = {"model", "companion", "objects", "held", "optimizer", "graph", "growth"}
    assert changed(before, snapshot(model, optimizer, grower)) >= seen

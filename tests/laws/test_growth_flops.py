"""Law: what a growth says that it has computed is every pass of it, as torch's own counter counts them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

from growsearch import GrowthEvent, grow
from growsearch.graph import running
from growsearch.graph.metering import FlopMeter
from growsearch.growth import GrowthFailed
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective
from tests.laws.settings import cheap, grows_depth, hows


def step(how: str, where: str = "uniform") -> GrowthEvent:
    model = cnn()
    batches = [batch_for(model, seed=seed) for seed in range(8)]
    policy = {"how": cheap("how", how), "where": cheap("where", where), "amount": 0.5, "batches": batches}
    event = grower_for(model, **policy).step()
    assert event is not None and event.refused is None
    return event


def counted_by_torch(monkeypatch: pytest.MonkeyPatch, change: Any) -> tuple[GrowthEvent, int]:
    """The event and what torch counts meanwhile, outside of tracing."""
    run = running.Runner.run

    def uncounted(*args: Any, **options: Any) -> set[str]:
        with _disable_current_modes():
            return run(*args, **options)

    monkeypatch.setattr(running.Runner, "run", uncounted)
    with FlopCounterMode(display=False) as counter:
        return change(), int(counter.get_total_flops())


@pytest.mark.parametrize("how", hows())
def test_an_event_counts_all_that_it_computes(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    event, expected = counted_by_torch(monkeypatch, lambda: step(how))
    assert event.growth_flops == expected > 0


@pytest.mark.parametrize("where", ["singular_value", "firefly", "gauss_newton"])
def test_what_a_selector_computes_counts(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    event, expected = counted_by_torch(monkeypatch, lambda: step("split", where))
    assert event.growth_flops == expected > step("split").growth_flops


@pytest.mark.parametrize("how", [how for how in hows() if not grows_depth(how)])
def test_growing_once_counts_too(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def change() -> GrowthEvent:
        model = mlp()
        batches = [batch_for(model, seed=seed) for seed in range(4)]
        return grow(model, batches[0][0], {"second": 2}, cheap("how", how), objective=objective, batches=batches)

    event, expected = counted_by_torch(monkeypatch, change)
    assert event.growth_flops == expected > 0


def test_where_a_network_is_traced_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks are traced by running a copy of them, others on the meta device."""
    found = step("gradmax").growth_flops
    monkeypatch.setattr(running, "SMALL", -1)
    assert step("gradmax").growth_flops == found


def test_a_growth_that_fails_was_paid_for_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise GrowthFailed("for this test")

    monkeypatch.setattr("growsearch.growth.step.require_preserved", fail)
    grower = grower_for(cnn())
    event = grower.step()
    assert event is not None and event.refused == "for this test"
    assert event.growth_flops == grower.flops > 0


def test_the_meter_counts_forward_backward_and_inference_and_nothing_on_the_meta_device() -> None:
    layer, images = nn.Linear(10, 5), torch.randn(3, 10)
    with FlopMeter() as meter:
        layer(images).sum().backward()
    assert meter.flops == 2 * (2 * 3 * 10 * 5)  # the gradient of the inputs is not computed
    with FlopMeter() as meter, torch.inference_mode():
        nn.functional.scaled_dot_product_attention(images, images, images)
        first = meter.flops
        layer(images)
    assert first == 2 * (2 * 3 * 10 * 3) and meter.flops - first == 2 * 3 * 10 * 5
    with FlopMeter() as meter:
        meta: Tensor = nn.Linear(10, 5, device="meta")(images.to("meta"))
    assert meta.is_meta and meter.flops == 0

"""A loop with an `Accelerator` grows: optimizer, schedule, clipping, accumulation and saved states follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from growsearch.errors import InputError
from growsearch.integrations import growth as core
from tests.integrations.networks import GROWTH, objective, points, same_weights, small_network, trains_all_of

accelerate: Any = pytest.importorskip("accelerate", reason="needs the extra accelerate")

from growsearch.integrations.accelerate import AcceleratedGrower  # noqa: E402  # where it is installed

pytestmark = pytest.mark.filterwarnings("ignore")


class Loop:
    """A training with all that an `Accelerator` prepares."""

    def __init__(self, accumulate: int = 1, **growth: Any) -> None:
        accelerate.state.AcceleratorState._reset_state(True)
        self.accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
        network = small_network()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4)
        self.model, self.optimizer, self.loader, self.schedule = self.accelerator.prepare(
            network, optimizer, DataLoader(points(), batch_size=4), schedule
        )
        self.grower = AcceleratedGrower(
            self.accelerator, self.model, self.optimizer, self.loader, **{**GROWTH, **growth}
        )

    def train(self, first: int, last: int) -> None:
        for batch in list(self.loader)[first:last]:
            with self.accelerator.accumulate(self.model):
                self.accelerator.backward(objective(self.model, batch))
                self.accelerator.clip_grad_norm_(self.model.parameters(), 0.5)
                self.optimizer.step()
                self.schedule.step()
                self.optimizer.zero_grad()
                self.grower.step()


def test_the_network_grows_and_its_optimizer_and_schedule_follow() -> None:
    loop = Loop()
    loop.train(0, 12)

    assert [event.step for event in loop.grower.events] == [3, 6]
    assert [layer.out_features for layer in loop.model if isinstance(layer, nn.Linear)] == [12, 10, 3]
    assert trains_all_of(loop.optimizer.optimizer, loop.model)
    assert loop.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**3)


def test_without_the_optimizer_it_goes_on_with_the_old_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    make = core.Grower
    monkeypatch.setattr(core, "Grower", lambda network, optimizers, **known: make(network, None, **known))
    loop = Loop()
    loop.train(0, 12)

    assert loop.grower.events and not trains_all_of(loop.optimizer.optimizer, loop.model)


def test_steps_are_those_of_the_optimizer_where_gradients_accumulate() -> None:
    loop = Loop(accumulate=3)
    seen = [len(loop.grower.events) for index in range(12) if loop.train(index, index + 1) is None]

    assert [event.step for event in loop.grower.events] == [3] and seen.index(1) == 8


@pytest.mark.parametrize("how", ["gradmax", "identity"])
def test_a_saved_state_goes_on_bit_for_bit(how: str, tmp_path: Path) -> None:
    growth: dict[str, Any] = {"how": how, "budget": {"width": 2.0} if how == "gradmax" else None}
    whole = Loop(**growth)
    whole.train(0, 4)
    whole.accelerator.save_state(tmp_path)
    whole.train(4, 8)

    resumed = Loop(**growth)
    resumed.accelerator.load_state(tmp_path)
    resumed.train(4, 8)

    assert [event.step for event in resumed.grower.events] == [6]
    assert same_weights(resumed.model, whole.model)
    assert trains_all_of(resumed.optimizer.optimizer, resumed.model)


def test_a_state_without_growth_is_refused(tmp_path: Path) -> None:
    loop = Loop()
    loop.accelerator.save_state(tmp_path)
    (tmp_path / "growsearch.pt").unlink()

    with pytest.raises(InputError, match="has no growsearch.pt"):
        loop.accelerator.load_state(tmp_path)


def test_looking_at_the_data_draws_nothing_that_the_loop_would_have_drawn() -> None:
    Loop()
    drawn = torch.rand(3)
    plain = small_network()
    accelerate.Accelerator(cpu=True).prepare(plain, DataLoader(points(), batch_size=4))

    assert torch.equal(drawn, torch.rand(3))

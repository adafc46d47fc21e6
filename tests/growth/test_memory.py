"""Growing holds at most twice the model and its optimizer's state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import growsearch
from tests.growth.memory import LiveBytes
from tests.growth.tasks import objective, tensors_of
from tests.laws.settings import cheap, grows_depth, hows


def wide() -> nn.Sequential:
    """Large enough that it is not traced on a copy with values."""
    torch.manual_seed(0)
    hidden = [layer for _ in range(8) for layer in (nn.Linear(200, 200), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(200, 3))


def tensors_held(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Parameters and optimizer state."""
    return [*model.parameters(), *(tensor for each in optimizer.state.values() for _, tensor in tensors_of(each))]


def held(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Bytes of parameters and optimizer state."""
    return sum(tensor.nbytes for tensor in tensors_held(model, optimizer))


LIMITS = {"gauss_newton": 6.5, "steepest_split": 4.0, "tiny": 5.5}
"""In models and their state; more than 2 where weights get directions or Lanczos vectors, or samples are many."""
SAMPLES = {"tiny": 300}  # with fewer than a layer reads numbers, it can do all that the loss asks for


@pytest.mark.parametrize("how", hows())
def test_growing_holds_at_most_twice_the_model_and_its_state(how: str) -> None:
    model = wide()
    optimizer = torch.optim.Adam(model.parameters())
    samples = SAMPLES.get(how, 4)
    batch = (torch.randn(samples, 200), torch.randn(samples, 3))
    objective(model, batch).backward()
    optimizer.step()
    optimizer.zero_grad()
    units = {"1": 1, "3": 1} if grows_depth(how) else {str(2 * i): 4 for i in range(8)}
    with LiveBytes(tensors_held(model, optimizer)) as live:
        growsearch.grow(model, batch[0], units, cheap("how", how), optimizer, objective=objective, batches=[batch])
    assert live.peak <= LIMITS.get(how, 2.1) * held(model, optimizer)
    # Afterwards, only the network's own tensors are left.
    assert live.now <= 1.05 * held(model, optimizer)


def test_the_counter_sees_tensors_come_and_go() -> None:
    """Negative control: a copy of everything shows."""
    old = torch.zeros(9000)
    with LiveBytes() as live:
        kept = torch.zeros(1000)
        view = kept.view(10, 100)
        assert len(old[1:].detach()) == 8999
        for _ in range(5):
            torch.ones(500)
        assert live.now == view.nbytes == 4000
        torch.ones(3000, device="meta")
    assert live.peak == 6000

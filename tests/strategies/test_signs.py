"""Behind a ReLU, the sign of a new unit decides whether its first update leaves it active."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def share_of_active(seed: int, orient_signs: bool) -> float:
    torch.manual_seed(seed)
    # Never negative, as behind another ReLU.
    x = torch.rand(64, 8)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5))
    batch = (x, torch.randn(64, 5) + (1 if seed % 2 else -1))
    how = {"gradmax": {"orient_signs": orient_signs, "scale": 0.5, "side": "incoming"}}
    growsearch.grow(model, x, {"0": 1}, how, objective=objective, batches=[batch])
    objective(model, batch).backward()
    torch.optim.SGD([model[0].weight], lr=0.1).step()
    return float((model[0](x)[:, -1] > 0).float().mean())


def test_units_are_active_after_their_first_update() -> None:
    assert min(share_of_active(seed, orient_signs=True) for seed in range(6)) > 0.9


def test_arbitrary_signs_silence_some() -> None:
    """Negative control."""
    assert min(share_of_active(seed, orient_signs=False) for seed in range(6)) < 0.1

"""Where layers can be inserted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph import DepthSite, trace


def test_every_layer_called_once_is_a_depth_site() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 4), nn.Tanh()
    )

    sites = trace(model, torch.ones(2, 3, 8, 8)).depth_sites

    assert sites == {
        "0": DepthSite("0", 6, 2, False, (2, 6, 6, 6)),
        "1": DepthSite("1", 6, 2, False, (2, 6, 6, 6)),
        "2": DepthSite("2", 6, 2, True, (2, 6, 6, 6)),
        "5": DepthSite("5", 4, 0, False, (2, 4)),
        "6": DepthSite("6", 4, 0, False, (2, 4)),
    }


def test_tokens_have_their_channels_last() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU6(), nn.Linear(6, 2))

    sites = trace(model, torch.ones(2, 5, 3)).depth_sites

    assert sites["1"] == DepthSite("1", 6, 0, True, (2, 5, 6))


def test_sequences_of_convolutions_have_their_channels_on_axis_1() -> None:
    model = nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Conv1d(6, 2, 1))

    assert trace(model, torch.ones(2, 3, 9)).depth_sites["1"] == DepthSite("1", 6, 1, True, (2, 6, 7))


def test_modules_used_twice_or_by_hand_are_no_depth_sites() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice, self.by_hand, self.once = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.alias = self.once
            self.act = nn.ReLU()
            self.last = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.act(self.twice(self.twice(x)))
            x = self.act(F.linear(self.by_hand(x), self.by_hand.weight))
            return self.last(self.once(x))

    assert list(trace(Net(), torch.ones(2, 4)).depth_sites) == ["last"]

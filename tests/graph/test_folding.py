"""Channels that are cut into windows, and put together from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import growsearch


class Windows(nn.Module):
    """Channels cut into windows of 2x2, a layer over all of a window, and put together again: 3 channels of 4 each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 5, 1)
        self.cut = nn.Unfold(2, stride=2)
        self.middle = nn.Conv1d(20, 12, 1)
        self.join = nn.Fold((6, 4), 2, stride=2)
        self.last = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.join(self.middle(torch.relu(self.cut(self.first(x)))).relu()))


def test_a_channel_is_a_whole_window_before_and_behind() -> None:
    torch.manual_seed(0)
    model, x = Windows(), torch.randn(7, 2, 6, 4)
    sites = growsearch.trace(model, x).sites

    assert (sites["first"].units, sites["middle"].units) == (5, 3)
    assert [use.runs[0].repeat for use in sites["first"].axes if use.tensor == "middle.weight"] == [4]
    assert [use.runs[0].repeat for use in sites["middle"].axes if use.tensor == "middle.weight"] == [4]
    event = growsearch.grow(model, x, {"first": 2, "middle": 1}, how="zero")

    assert (model.first.out_channels, model.middle.in_channels) == (7, 28)
    assert (model.middle.out_channels, model.last.in_channels) == (16, 4)
    assert event.refused is None and event.output_change is not None and event.output_change < 1e-6


class Placed(nn.Module):
    """What a layer computes are windows that are put together, not channels."""

    def __init__(self) -> None:
        super().__init__()
        self.windows = nn.Linear(3, 2)
        self.join = nn.Fold((4, 2), 2, stride=2)
        self.read = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.read(self.join(torch.relu(self.windows(x))))
        return out


def test_windows_do_not_grow() -> None:
    site = growsearch.trace(Placed(), torch.randn(2, 4, 3)).sites["windows"]
    assert (site.kind, site.reason) == ("frozen", "put together by join at 'join'")

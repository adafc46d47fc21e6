"""Where new units lie on an axis that several sites share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import growsearch
from growsearch.growth import NewSlices


class Branches(nn.Module):
    """Three branches, joined before one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(4, width) for width in (2, 3, 2))
        self.last = nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.cat([branch(x).relu() for branch in self.branches], 1))


def test_new_units_of_three_branches_are_found_behind_their_own() -> None:
    model = Branches()
    graph = growsearch.trace(model, torch.rand(2, 4))
    added = {"branches.0": 1, "branches.1": 2, "branches.2": 1}

    growsearch.grow(model, torch.rand(2, 4), added, "zero")

    found = [NewSlices(model, graph, graph.sites[n], "in", added[n], added).positions()["last.weight"] for n in added]
    assert found == [[2], [6, 7], [10]]  # of 2 + 1, 3 + 2 and 2 + 1 units

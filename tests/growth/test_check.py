"""What counts as a change of the function: more than rounding moves the outputs of this very network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthFailed
from growsearch.growth.check import require_preserved

X = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)) + 1


class Amplifying(nn.Module):
    """Moves its outputs by about a hundredth where its inputs move by a rounding error."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(1e5 * x)


@pytest.mark.parametrize("mode", [0, 1], ids=["evaluation", "training"])
def test_a_network_that_amplifies_rounding_is_allowed_what_rounding_does(mode: int) -> None:
    change = [0.0, 0.0]
    change[mode] = 5e-3

    require_preserved(Amplifying(), X, change)
    with pytest.raises(GrowthFailed, match="changed the outputs by 0.005"):
        require_preserved(nn.Tanh(), X, change)

    change[mode] = 5.0
    with pytest.raises(GrowthFailed):
        require_preserved(Amplifying(), X, change)

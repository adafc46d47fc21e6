"""Layers that growth inserts: plain modules, useful without growsearch's strategies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
_NORMS: dict[int, type[nn.Module]] = {0: nn.LayerNorm, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class ResidualBlock(nn.Module):
    """`x + last(relu(norm(first(x))))`, the same function as no block at all while `last` is zero, as it is at first.

    `first` keeps its default initialisation, so that `last` receives a gradient from the first step on.

    Shapes: `[..., channels]` where `spatial` is 0 (linear layers, layer normalisation), else
    `[batch, channels, *spatial]` (convolutions of `kernel`, which is odd, batch normalisation); the output is alike.
    """

    def __init__(self, channels: int, spatial: int = 2, kernel: int = 3, norm: bool = False) -> None:
        """See the class.

        Args:
            channels: of inputs and outputs.
            spatial: number of spatial axes: 0, 1, 2 or 3.
            kernel: size of the convolutions, odd.
            norm: whether a normalisation follows the first layer.
        """
        super().__init__()
        self.first = same_size_layer(channels, spatial, kernel)
        self.norm = _NORMS[spatial](channels) if norm else nn.Identity()
        self.activation = nn.ReLU()
        self.last = same_size_layer(channels, spatial, kernel)
        self.zero_last()

    def zero_last(self) -> None:
        """Make `last` zero."""
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        """The block's output, shaped as `inputs`."""
        change: Tensor = self.last(self.activation(self.norm(self.first(inputs))))
        return inputs + change


def identity_layer(channels: int, spatial: int, kernel: int) -> nn.Module:
    """A linear or convolution layer that gives its input: identity matrix or delta kernel, zero bias."""
    layer = same_size_layer(channels, spatial, kernel)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        # The middle tap is the middle one of the flattened kernel, because every side is odd.
        layer.get_parameter("weight").view(channels, channels, -1)[..., kernel**spatial // 2].fill_diagonal_(1.0)
    return layer


def same_size_layer(channels: int, spatial: int, kernel: int) -> nn.Module:
    """A layer whose output has the shape of its input: linear where `spatial` is 0, else a padded convolution."""
    if spatial == 0:
        return nn.Linear(channels, channels)
    return _CONVOLUTIONS[spatial](channels, channels, kernel, padding=kernel // 2)

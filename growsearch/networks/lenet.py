"""LeNet-5."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from growsearch.errors import InputError
from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Network, image_shape


class LeNet5(Network):
    """Two 5x5 convolutions with average pooling, then 120 and 84 hidden units.

    28x28 images are padded to 32x32 by the first convolution. The third convolution of the paper sees a 5x5 map and
    is therefore a linear layer; the second sees all of the first's channels.
    """

    summary: ClassVar[str] = "LeNet-5, for 28x28 and 32x32 images"
    source: ClassVar[str] = "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86, 1998"

    activation: Activation = "tanh"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of 28x28 or 32x32."""
        channels, *size = image_shape("lenet5", input_shape)
        padding = {(28, 28): 2, (32, 32): 0}.get((size[0], size[1]))
        if padding is None:
            raise InputError(f"network 'lenet5' needs images of 28 x 28 or 32 x 32 pixels, found {size[0]} x {size[1]}")
        conv1, conv2, linear1, linear2 = map(self.scaled, (6, 16, 120, 84))
        return nn.Sequential(
            nn.Conv2d(channels, conv1, 5, padding=padding),  # 28 x 28
            activation_module(self.activation),
            nn.AvgPool2d(2),  # 14 x 14
            nn.Conv2d(conv1, conv2, 5),  # 10 x 10
            activation_module(self.activation),
            nn.AvgPool2d(2),  # 5 x 5
            nn.Flatten(),
            nn.Linear(conv2 * 25, linear1),
            activation_module(self.activation),
            nn.Linear(linear1, linear2),
            activation_module(self.activation),
            nn.Linear(linear2, outputs),
        )

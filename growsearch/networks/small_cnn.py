"""A small convolutional network for quick experiments."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Network, Width, image_shape


class SmallCNN(Network):
    """3x3 convolutions with an activation each; all but the first halve the resolution; global average; linear."""

    summary: ClassVar[str] = "a few strided 3x3 convolutions and a global average, for 8x8 to 64x64 images"
    source: ClassVar[str] = "Springenberg et al., Striving for Simplicity, ICLR 2015 workshop track"

    channels: tuple[Width, ...] = Field(default=(16, 32, 64), min_length=1)
    norm: bool = False
    activation: Activation = "relu"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of any size."""
        previous = image_shape("small_cnn", input_shape)[0]
        layers: list[nn.Module] = []
        for index, base in enumerate(self.channels):
            channels = self.scaled(base)
            stride = 1 if index == 0 else 2
            layers.append(nn.Conv2d(previous, channels, 3, stride=stride, padding=1, bias=not self.norm))
            if self.norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(activation_module(self.activation))
            previous = channels
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, outputs))

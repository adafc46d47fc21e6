"""Residual networks for small images."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from growsearch.networks.base import Network, image_shape, initialise_he


class BasicBlock(nn.Module):
    """Two normalised 3x3 convolutions added to the input, which is projected where its shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.activation1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.activation2 = nn.ReLU()
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            projection = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels_in, height, width]` to `[N, channels, height / stride, width / stride]`."""
        hidden = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(inputs)))))
        outputs: Tensor = self.activation2(hidden + (inputs if self.shortcut is None else self.shortcut(inputs)))
        return outputs


class ResNet(nn.Module):
    """A 3x3 stem without pooling, groups of basic blocks, a global average and one linear layer."""

    def __init__(self, channels_in: int, channels: tuple[int, ...], blocks: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        self.activation = nn.ReLU()
        groups: list[nn.Module] = []
        previous = channels[0]
        for group, width in enumerate(channels):
            strides = [1 if group == 0 else 2] + [1] * (blocks - 1)
            inputs = [previous] + [width] * (blocks - 1)
            groups.append(nn.Sequential(*(BasicBlock(i, width, s) for i, s in zip(inputs, strides, strict=True))))
            previous = width
        self.groups = nn.Sequential(*groups)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(previous, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels, height, width]` to `[N, outputs]`."""
        features = self.groups(self.activation(self.norm(self.conv(inputs))))
        outputs: Tensor = self.classifier(self.flatten(self.pool(features)))
        return outputs


class ResNet18Cifar(Network):
    """Four groups of two basic blocks with 64, 128, 256 and 512 channels behind a 3x3 stem."""

    summary: ClassVar[str] = "ResNet-18 with a 3x3 stem, for small images"
    source: ClassVar[str] = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of at least 8x8."""
        channels_in = image_shape("resnet18_cifar", input_shape, smallest=8)[0]
        network = ResNet(channels_in, tuple(map(self.scaled, (64, 128, 256, 512))), blocks=2, outputs=outputs)
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        initialise_he(network)

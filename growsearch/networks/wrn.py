"""Wide residual networks of depth 28."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Network, image_shape, initialise_he, scaled


class PreActivationBlock(nn.Module):
    """Normalise, activate, convolve, twice; added to the input, which is projected where its shape changes.

    `batch_norm` is about the normalisation between the two convolutions, the one that sees the inner channels.
    """

    def __init__(
        self, channels_in: int, inner: int, channels: int, stride: int, batch_norm: bool, activation: Activation
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.activation1 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels_in, inner, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner) if batch_norm else None
        self.activation2 = activation_module(activation)
        self.conv2 = nn.Conv2d(inner, channels, 3, padding=1, bias=False)
        changes = stride != 1 or channels_in != channels
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False) if changes else None

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels_in, height, width]` to `[N, channels, height / stride, width / stride]`."""
        activated = self.activation1(self.norm1(inputs))
        hidden = self.conv1(activated)
        if self.norm2 is not None:
            hidden = self.norm2(hidden)
        outputs: Tensor = self.conv2(self.activation2(hidden))
        return outputs + (inputs if self.shortcut is None else self.shortcut(activated))


class WRN28(Network):
    """Wide residual network of depth 28: a stem, 3 groups of 4 blocks with 16, 32 and 64 times `widen` channels.

    `width` multiplies the inner channels of each block (`grow: block`, as GradMax was measured: the residual stream
    keeps its size), or all channels (`grow: all`). `batch_norm: false` leaves out the normalisation of the inner
    channels, `activation` is the one behind them. `classifier: he` draws the last layer as the convolutions.
    """

    summary: ClassVar[str] = "wide residual network WRN-28-k, for images of at least 8x8"
    source: ClassVar[str] = "Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016"

    widen: int = Field(default=1, ge=1)
    grow: Literal["block", "all"] = "block"
    batch_norm: bool = True
    activation: Activation = "relu"
    classifier: Literal["torch", "he"] = "torch"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of at least 8x8."""
        stream = self.width if self.grow == "all" else 1.0
        previous = scaled(16, stream)
        stem = nn.Conv2d(image_shape("wrn28", input_shape, smallest=8)[0], previous, 3, padding=1, bias=False)
        groups: list[nn.Module] = []
        for group, base in enumerate((16 * self.widen, 32 * self.widen, 64 * self.widen)):
            channels, inner = scaled(base, stream), self.scaled(base)
            blocks: list[nn.Module] = []
            for index in range(4):
                stride = 2 if group > 0 and index == 0 else 1
                blocks.append(PreActivationBlock(previous, inner, channels, stride, self.batch_norm, self.activation))
                previous = channels
            groups.append(nn.Sequential(*blocks))
        network = WideResNet(stem, groups, previous, outputs)
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        initialise_he(network, (nn.Conv2d, nn.Linear) if self.classifier == "he" else (nn.Conv2d,))


class WideResNet(nn.Module):
    """A stem, groups of pre-activation blocks, a last normalisation, a global average and one linear layer."""

    def __init__(self, stem: nn.Module, groups: list[nn.Module], channels: int, outputs: int) -> None:
        super().__init__()
        self.stem = stem
        self.groups = nn.Sequential(*groups)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels, height, width]` to `[N, outputs]`."""
        features = self.activation(self.norm(self.groups(self.stem(inputs))))
        outputs: Tensor = self.classifier(self.flatten(self.pool(features)))
        return outputs

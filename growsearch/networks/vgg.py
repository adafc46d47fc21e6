"""VGG networks for small images: one linear classifier instead of three."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Network, image_shape, initialise_he

_BLOCKS_11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
_BLOCKS_19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


class VGG(nn.Module):
    """Convolutions, then one linear layer."""

    def __init__(self, features: list[nn.Module], classifier: nn.Linear) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.flatten = nn.Flatten()
        self.classifier = classifier

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels, height, width]` to `[N, outputs]`."""
        outputs: Tensor = self.classifier(self.flatten(self.features(inputs)))
        return outputs


def _layer(
    channels_in: int, channels: int, stride: int, batch_norm: bool, bias: bool, activation: Activation
) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=bias)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(channels))
    return [*layers, activation_module(activation)]


class VGG11(Network):
    """Eight 3x3 convolutions; the one that opens each block but the first has stride 2, and there is no pooling.

    The last map (2x2 for 32x32 images) goes to the classifier whole. `classifier: he` draws that as the convolutions.
    """

    summary: ClassVar[str] = "VGG11 with strides instead of pooling, as GradMax was measured on"
    source: ClassVar[str] = "Simonyan and Zisserman, ICLR 2015; strided as in Evci et al., GradMax, ICLR 2022"

    batch_norm: bool = False
    bias: bool = True
    activation: Activation = "relu"
    classifier: Literal["torch", "he"] = "torch"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of any size."""
        previous, height, width = image_shape("vgg11", input_shape)
        features: list[nn.Module] = []
        for block, bases in enumerate(_BLOCKS_11):
            for index, base in enumerate(bases):
                stride = 2 if block > 0 and index == 0 else 1
                height, width = -(-height // stride), -(-width // stride)
                channels = self.scaled(base)
                features += _layer(previous, channels, stride, self.batch_norm, self.bias, self.activation)
                previous = channels
        network = VGG(features, nn.Linear(previous * height * width, outputs))
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        initialise_he(network, (nn.Conv2d, nn.Linear) if self.classifier == "he" else (nn.Conv2d,))


class VGG19(Network):
    """Sixteen 3x3 convolutions with batch normalisation; max pooling after each of the five blocks; global average."""

    summary: ClassVar[str] = "VGG19 with batch normalisation, for images of at least 32x32"
    source: ClassVar[str] = "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015"

    activation: Activation = "relu"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of at least 32x32."""
        previous = image_shape("vgg19", input_shape, smallest=32)[0]
        features: list[nn.Module] = []
        for bases in _BLOCKS_19:
            for base in bases:
                channels = self.scaled(base)
                features += _layer(previous, channels, 1, batch_norm=True, bias=False, activation=self.activation)
                previous = channels
            features.append(nn.MaxPool2d(2))
        network = VGG([*features, nn.AdaptiveAvgPool2d(1)], nn.Linear(previous, outputs))
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        initialise_he(network)

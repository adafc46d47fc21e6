"""MobileNet-V1: depthwise separable convolutions."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from growsearch.networks.base import Network, image_shape, initialise_he

_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))


def _normalised(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]


class MobileNetV1(Network):
    """A 3x3 stem and 13 blocks of a depthwise 3x3 and a pointwise convolution, each normalised.

    `small_input` leaves out the stem's stride; when it is not given, images of up to 64 pixels are small.
    """

    summary: ClassVar[str] = "MobileNet-V1, for 32x32 to 224x224 images"
    source: ClassVar[str] = "Howard et al., MobileNets, arXiv:1704.04861, 2017"

    small_input: bool | None = None

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; images of any size."""
        channels_in, *size = image_shape("mobilenet_v1", input_shape)
        small = max(size) <= 64 if self.small_input is None else self.small_input
        previous = self.scaled(32)
        stem = nn.Conv2d(channels_in, previous, 3, stride=1 if small else 2, padding=1, bias=False)
        layers: list[nn.Module] = [nn.Sequential(*_normalised(stem))]
        for base, stride in _BLOCKS:
            channels = self.scaled(base)
            depthwise = nn.Conv2d(previous, previous, 3, stride=stride, padding=1, groups=previous, bias=False)
            pointwise = nn.Conv2d(previous, channels, 1, bias=False)
            layers.append(nn.Sequential(*_normalised(depthwise), *_normalised(pointwise)))
            previous = channels
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, outputs))
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        initialise_he(network)

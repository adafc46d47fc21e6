"""torchvision's own networks with few layers and channels: each kind of block and of head once, quick to grow.

`tests/graph/test_torchvision.py` traces the networks of full size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torchvision.models import VGG, ConvNeXt, DenseNet, EfficientNet, MobileNetV2, ResNet, VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.resnet import Bottleneck
from torchvision.models.vgg import make_layers

from tests.laws.models import Subject


def _vgg(batch_norm: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        features = make_layers([6, "M", 8, "M", 8, 8, "M"], batch_norm=batch_norm)
        with torch.device("meta"):  # its own head has 120 million weights
            model = VGG(features, num_classes=4, init_weights=False)
        model.classifier = nn.Sequential(
            *(nn.Linear(8 * 7 * 7, 12), nn.ReLU(True), nn.Dropout()),
            *(nn.Linear(12, 10), nn.ReLU(True), nn.Dropout(), nn.Linear(10, 4)),
        )
        return model

    return build


class _Bottleneck(Bottleneck):
    expansion = 1  # 512 channels at the end, not 2048


def _resnet50() -> nn.Module:
    return ResNet(_Bottleneck, [1, 1, 1, 1], num_classes=4, width_per_group=8)


def _mobilenet_v2() -> nn.Module:
    blocks = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]]  # expansion, channels, how many, stride
    return MobileNetV2(num_classes=4, width_mult=0.25, inverted_residual_setting=blocks)


def _densenet() -> nn.Module:
    return DenseNet(growth_rate=4, block_config=(2, 2, 2), num_init_features=8, bn_size=2, num_classes=4)


def _efficientnet() -> nn.Module:
    blocks = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 12, 2), MBConvConfig(4, 5, 2, 12, 16, 2)]
    return EfficientNet(blocks, dropout=0.2, num_classes=4)


def _convnext() -> nn.Module:
    return ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, 16, 2), CNBlockConfig(16, None, 1)], num_classes=4)


def _vit() -> nn.Module:
    return VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4)


TORCHVISION = [
    Subject("vgg", _vgg(False), (2, 3, 32, 32)),
    Subject("vgg_bn", _vgg(True), (2, 3, 32, 32)),
    Subject("resnet50", _resnet50, (2, 3, 32, 32), sites=2),
    Subject("mobilenet_v2", _mobilenet_v2, (2, 3, 48, 48)),
    Subject("densenet", _densenet, (2, 3, 48, 48)),
    Subject("efficientnet", _efficientnet, (2, 3, 48, 48)),
    Subject("convnext", _convnext, (2, 3, 32, 32)),
    Subject("vit", _vit, (2, 3, 32, 32)),
]

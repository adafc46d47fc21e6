"""Networks of torchvision: classifiers, segmentation, parts of detectors, video and optical flow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection import retinanet, rpn, ssdlite
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FeaturePyramidNetwork

from .architecture import Architecture, Inputs, floats, images

CLASSIFIERS: dict[str, dict[str, int]] = {
    "plain": {"alexnet": 96, "vgg11": 64, "vgg13_bn": 64, "squeezenet1_1": 64},
    "residual": {"resnet18": 64, "resnet50": 64, "resnext50_32x4d": 64, "regnet_y_400mf": 64},
    "concatenating": {"densenet121": 64, "shufflenet_v2_x0_5": 64},
    "mobile": {"mobilenet_v2": 64, "mobilenet_v3_small": 64, "efficientnet_b0": 64},
    "searched": {"mnasnet0_5": 64},
    "convolutional, new": {"convnext_tiny": 64},
}


def architectures() -> list[Architecture]:
    """All of them."""
    found = [
        _entry(name, family, partial(getattr(models, name), weights=None, num_classes=4), images(size))
        for family, sizes in CLASSIFIERS.items()
        for name, size in sizes.items()
    ]
    return [*found, *_inception(), *_transformers(), *_segmentation(), *_detection(), *_video()]


def _entry(name: str, family: str, build: Callable[[], nn.Module], inputs: Inputs) -> Architecture:
    return Architecture(name, "torchvision", family, build, inputs)


def _inception() -> list[Architecture]:
    fields: dict[str, Any] = {"weights": None, "num_classes": 4, "init_weights": False}
    return [
        _entry("googlenet", "concatenating", partial(models.googlenet, aux_logits=False, **fields), images(64)),
        _entry("inception_v3", "concatenating", partial(models.inception_v3, aux_logits=False, **fields), images(80)),
        _entry("googlenet with aux", "concatenating", partial(models.googlenet, **fields), images(224)),
    ]


def _transformers() -> list[Architecture]:
    vit = partial(
        models.VisionTransformer,
        image_size=32,
        patch_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=24,
        mlp_dim=32,
        num_classes=4,
    )
    swin = partial(
        models.SwinTransformer,
        patch_size=[4, 4],
        embed_dim=12,
        depths=[1, 1],
        num_heads=[2, 4],
        window_size=[4, 4],
        stochastic_depth_prob=0.0,
        num_classes=4,
    )
    maxvit = partial(
        models.MaxVit,
        input_size=(32, 32),
        stem_channels=8,
        partition_size=4,
        block_channels=[8, 16],
        block_layers=[1, 1],
        head_dim=4,
        stochastic_depth_prob=0.0,
        num_classes=4,
    )
    return [
        _entry("vit", "transformer", vit, images(32)),
        _entry("swin", "transformer", swin, images(32)),
        _entry("maxvit", "hybrid", maxvit, images(32)),
    ]


def _segmentation() -> list[Architecture]:
    fields: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": 4}
    names = ("fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")
    return [_entry(n, "segmentation", partial(getattr(models.segmentation, n), **fields), images(64)) for n in names]


class Pyramid(nn.Module):
    """A feature pyramid over three convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in ((3, 8), (8, 12), (12, 16)))
        self.pyramid = FeaturePyramidNetwork([8, 12, 16], 10)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = OrderedDict()
        for index, stage in enumerate(self.stages):
            x = found[str(index)] = stage(x).relu()
        return self.pyramid(found)


class Detecting(nn.Module):
    """A pyramid and a detector's head on its maps, without the boxes."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.pyramid, self.head = Pyramid(), head

    def forward(self, x: Tensor) -> Any:
        return self.head(list(self.pyramid(x).values()))


def _detection() -> list[Architecture]:
    norm = partial(nn.BatchNorm2d, eps=0.001)

    def backbone() -> nn.Module:
        return resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5)

    def ssd() -> nn.Module:
        return Detecting(ssdlite.SSDLiteHead([10, 10, 10], [2, 2, 2], 4, norm))

    return [
        _entry("resnet18 with feature pyramid", "detection", backbone, images(64)),
        _entry("RPN head", "detection", lambda: Detecting(rpn.RPNHead(10, 3)), images(32)),
        _entry("RetinaNet head", "detection", lambda: Detecting(retinanet.RetinaNetHead(10, 3, 4)), images(32)),
        _entry("SSDlite head", "detection", ssd, images(32)),
    ]


def _video() -> list[Architecture]:
    fields: dict[str, Any] = {"weights": None, "num_classes": 4}
    video, clip = models.video, floats(2, 3, 4, 32, 32)

    def pair() -> tuple[Tensor, Tensor, int]:
        return torch.randn(1, 3, 128, 128), torch.randn(1, 3, 128, 128), 2

    return [
        _entry("r3d_18", "video", partial(video.r3d_18, **fields), clip),
        _entry("r2plus1d_18", "video", partial(video.r2plus1d_18, **fields), clip),
        _entry("s3d", "video", partial(video.s3d, **fields), floats(1, 3, 16, 224, 224)),
        _entry("raft_small", "optical flow", partial(models.optical_flow.raft_small, weights=None), pair),
    ]

"""Image classifiers of timm, in the smallest form that its names offer, with four classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import timm

from .architecture import Architecture, images

SMALL_VIT = {"depth": 2, "embed_dim": 48, "num_heads": 3}

MODELS: dict[str, dict[str, int | tuple[int, dict[str, Any]]]] = {
    "residual": {
        "resnet18": 64,
        "resnet26t": 64,
        "seresnet50": 64,
        "ecaresnet26t": 64,
        "skresnet18": 64,
        "resnext50_32x4d": 64,
        "res2net50_26w_4s": 64,
        "resnest14d": 64,
        "resnetv2_50": 64,
        "resnetblur50": 64,
        "gcresnext26ts": 64,
        "regnetx_002": 64,
        "regnety_002": 64,
        "regnetz_b16": 64,
        "nf_resnet26": 64,
        "nfnet_l0": 64,
        "selecsls42": 64,
        "test_resnet": 64,
        "test_nfnet": 64,
        "test_byobnet": 64,
        "cspresnet50": 64,
        "cspdarknet53": 64,
        "darknet53": 64,
    },
    "concatenating": {
        "densenet121": 64,
        "rdnet_tiny": 64,
        "dpn48b": 64,
        "dla34": 64,
        "ese_vovnet19b_dw": 64,
        "hardcorenas_a": 64,
        "hrnet_w18_small": 64,
        "hgnetv2_b0": 64,
        "inception_v3": 80,
        "inception_v4": 80,
        "inception_resnet_v2": 80,
        "inception_next_atto": 64,
    },
    "searched": {
        "pnasnet5large": (64, {"num_classes": 4}),
        "mnasnet_small": 64,
        "fbnetc_100": 64,
        "spnasnet_100": 64,
        "tinynet_e": 64,
    },
    "mobile": {
        "mobilenetv1_100": 64,
        "mobilenetv2_050": 64,
        "mobilenetv3_small_050": 64,
        "tf_mobilenetv3_small_minimal_100": 64,
        "mobilenetv4_conv_small_035": 64,
        "efficientnet_b0": 64,
        "tf_efficientnet_lite0": 64,
        "test_efficientnet": 64,
        "test_efficientnet_gn": 64,
        "test_efficientnet_evos": 64,
        "mixnet_s": 64,
        "tf_mixnet_s": 64,
        "ghostnet_050": 64,
        "ghostnetv2_100": 64,
        "lcnet_035": 64,
        "rexnet_100": 64,
        "repvgg_a0": 64,
        "mobileone_s0": 64,
        "repvit_m0_9": 64,
        "starnet_s1": 64,
        "shvit_s1": 64,
        "fastvit_t8": 64,
    },
    "plain": {"vgg11_bn": 64, "xception41": 96},
    "convolutional, new": {
        "convnext_atto": 64,
        "convnextv2_atto": 64,
        "test_convnext": 64,
        "convmixer_768_32": 64,
        "mambaout_femto": 64,
        "focalnet_tiny_srf": 64,
        "poolformer_s12": 64,
        "poolformerv2_s12": 64,
        "lambda_resnet26t": 64,
    },
    "transformer": {
        "vit_tiny_patch16_224": (64, {"img_size": 64, **SMALL_VIT}),
        "vit_relpos_small_patch16_224": (64, {"img_size": 64, **SMALL_VIT}),
        "test_vit": 160,
        "test_vit4": 160,
        "deit3_small_patch16_224": (64, {"img_size": 64, **SMALL_VIT}),
        "beit_base_patch16_224": (64, {"img_size": 64, **SMALL_VIT}),
        "eva02_tiny_patch14_224": (56, {"img_size": 56, "depth": 2}),
        "cait_xxs24_224": (64, {"img_size": 64, **SMALL_VIT}),
        "xcit_nano_12_p16_224": (64, {"img_size": 64, **SMALL_VIT}),
        "volo_d1_224": 224,
        "tnt_s_patch16_224": (64, {"img_size": 64, "depth": 2}),
        "swin_tiny_patch4_window7_224": (
            64,
            {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1), "num_heads": (2, 4)},
        ),
        "swinv2_tiny_window8_256": (
            64,
            {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1), "num_heads": (2, 4)},
        ),
        "twins_svt_small": (64, {"img_size": 64}),
        "pvt_v2_b0": 64,
        "hiera_tiny_224": (64, {"img_size": 64}),
        "davit_tiny": 64,
        "crossvit_tiny_240": 240,
        "gcvit_xxtiny": 224,
    },
    "mixing": {
        "mixer_s32_224": (64, {"img_size": 64}),
        "gmlp_ti16_224": (64, {"img_size": 64}),
        "resmlp_12_224": (64, {"img_size": 64}),
        "sequencer2d_s": 224,
    },
    "hybrid": {
        "levit_128s": 224,
        "convit_tiny": (64, {"img_size": 64, "depth": 2}),
        "coat_lite_tiny": (64, {"img_size": 64}),
        "coatnet_nano_rw_224": (64, {"img_size": 64}),
        "test_maxvit": 160,
        "mobilevit_xxs": 64,
        "mobilevitv2_050": 64,
        "edgenext_xx_small": 64,
        "efficientformer_l1": 224,
        "efficientvit_b0": 64,
        "efficientvit_m0": 224,
        "nextvit_small": 64,
        "tiny_vit_5m_224": 224,
        "swiftformer_xs": 224,
        "visformer_tiny": 224,
        "botnet26t_256": 256,
        "halonet26t": 256,
    },
}


def architectures() -> list[Architecture]:
    """Every entry of `MODELS`; the number is the side of the image."""
    return [_architecture(name, family, spec) for family, models in MODELS.items() for name, spec in models.items()]


def _architecture(name: str, family: str, spec: int | tuple[int, dict[str, Any]]) -> Architecture:
    size, fields = spec if isinstance(spec, tuple) else (spec, {})
    build = partial(timm.create_model, name, **{"num_classes": 4, **fields})
    return Architecture(name, "timm", family, build, images(size))

from __future__ import annotations

import pytest
import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.networks.activation import ReLU1
from growsearch.networks.base import Network
from growsearch.networks.lenet import LeNet5
from growsearch.networks.mlp import MLP
from growsearch.networks.mobilenet import MobileNetV1
from growsearch.networks.resnet import ResNet18Cifar
from growsearch.networks.small_cnn import SmallCNN
from growsearch.networks.vgg import VGG11, VGG19
from growsearch.networks.wrn import WRN28


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Widths are small so that the tests are quick; counts at full width are below.
SEEDS: list[tuple[Network, tuple[int, ...]]] = [
    (MLP(width=0.5), (10,)),
    (MLP(hidden=(), activation="tanh", bias=False), (1, 8, 8)),
    (SmallCNN(), (1, 8, 8)),
    (SmallCNN(norm=True, channels=(4, 8)), (3, 32, 32)),
    (LeNet5(), (1, 28, 28)),
    (LeNet5(activation="relu"), (3, 32, 32)),
    (VGG11(width=0.0625), (3, 32, 32)),
    (VGG11(width=0.0625, batch_norm=True, activation="relu1"), (1, 8, 8)),
    (VGG19(width=0.0625), (3, 32, 32)),
    (WRN28(width=0.25), (3, 32, 32)),
    (WRN28(width=0.25, grow="all", batch_norm=False, activation="relu1"), (3, 32, 32)),
    (ResNet18Cifar(width=0.0625), (3, 32, 32)),
    (MobileNetV1(width=0.125), (3, 32, 32)),
    (MobileNetV1(width=0.125), (3, 96, 96)),
]


@pytest.mark.parametrize(("network", "shape"), SEEDS, ids=lambda value: str(value))
def test_maps_a_batch_to_the_outputs_and_every_parameter_learns(network: Network, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = network.build(shape, 7)
    outputs = module(torch.randn(3, *shape))
    outputs.square().sum().backward()
    assert outputs.shape == (3, 7)
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize(("network", "shape"), SEEDS, ids=lambda value: str(value))
def test_the_seed_of_torch_decides_the_initial_weights(network: Network, shape: tuple[int, ...]) -> None:
    built = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        built.append(torch.cat([parameter.detach().flatten() for parameter in network.build(shape, 7).parameters()]))
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_vgg11_has_eight_convolutions_of_which_four_are_strided() -> None:
    module = VGG11().build((3, 32, 32), 10)
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    expected = sum(9 * a * b + b for a, b in zip(channels[:-1], channels[1:], strict=True)) + (512 * 2 * 2 * 10 + 10)
    assert parameters(module) == expected == 9_240_970
    assert [layer.stride[0] for layer in convolutions] == [1, 2, 2, 1, 2, 1, 2, 1]
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in module.modules())


def wrn28_parameters(inner: tuple[int, int, int]) -> int:
    """Stem, 12 blocks (norm, 3x3, norm, 3x3), two 1x1 projections, last norm, classifier; two numbers per norm."""
    total, previous = 3 * 16 * 9, 16
    for channels, hidden in zip((16, 32, 64), inner, strict=True):
        for _ in range(4):
            total += 2 * previous + 9 * previous * hidden + 2 * hidden + 9 * hidden * channels
            total += previous * channels if previous != channels else 0
            previous = channels
    return total + 2 * 64 + 64 * 10 + 10


def test_wrn28_has_the_parameters_of_the_paper() -> None:
    assert parameters(WRN28().build((3, 32, 32), 10)) == wrn28_parameters((16, 32, 64)) == 369_498  # 0.37 M


def test_wrn28_narrows_only_the_inner_channels_of_its_blocks() -> None:
    narrow = WRN28(width=0.25).build((3, 32, 32), 10)
    assert parameters(narrow) == wrn28_parameters((4, 8, 16))
    convolutions = {name: layer for name, layer in narrow.named_modules() if name.endswith("conv1")}
    assert len(convolutions) == 12
    assert {layer.out_channels for layer in convolutions.values() if isinstance(layer, nn.Conv2d)} == {4, 8, 16}


def test_wrn28_narrows_everything_when_asked() -> None:
    module = WRN28(width=0.25, grow="all").build((3, 32, 32), 10)
    assert {p.shape[0] for p in module.parameters() if p.dim() == 4} == {4, 8, 16}


def test_wrn28_without_batch_norm_keeps_the_normalisation_of_the_residual_stream() -> None:
    module = WRN28(batch_norm=False).build((3, 32, 32), 10)
    assert parameters(module) == 369_498 - 2 * 4 * (16 + 32 + 64)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()) == 13


@pytest.mark.parametrize(
    ("network", "shape", "outputs", "expected"),
    [
        (LeNet5(), (1, 32, 32), 10, 61_706),
        (ResNet18Cifar(), (3, 32, 32), 10, 11_173_962),
        (MobileNetV1(), (3, 224, 224), 1000, 4_231_976),  # 4.2 M in the paper
        (VGG19(), (3, 32, 32), 10, 20_035_018),  # 20,024,000 of torchvision's vgg19_bn without conv biases, and 5,130
        (SmallCNN(), (1, 8, 8), 10, (9 * 16 + 16) + (9 * 16 * 32 + 32) + (9 * 32 * 64 + 64) + 650),
        (MLP(hidden=(5,), bias=False), (10,), 10, 100),
    ],
    ids=lambda value: str(value),
)
def test_full_width_has_the_known_number_of_parameters(
    network: Network, shape: tuple[int, ...], outputs: int, expected: int
) -> None:
    with torch.device("meta"):
        assert parameters(network.build(shape, outputs)) == expected


def test_width_multiplies_every_hidden_width_and_stays_above_zero() -> None:
    module = MLP(hidden=(64, 10, 1), width=0.25).build((3,), 7)
    assert [layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear)] == [16, 2, 1, 7]


def test_mobilenet_leaves_out_the_stride_of_its_stem_on_small_images() -> None:
    strides = [MobileNetV1(width=0.1).build((3, size, size), 10)[0][0].stride for size in (32, 64, 224)]  # type: ignore[index]
    assert strides == [(1, 1), (1, 1), (2, 2)]


def test_glorot_initialisation_stays_in_its_bounds_without_bias() -> None:
    torch.manual_seed(0)
    module = MLP(hidden=(100,), initialisation="glorot").build((50,), 10)
    bounds = [(6 / 150) ** 0.5, (6 / 110) ** 0.5]
    linears = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    for layer, bound in zip(linears, bounds, strict=True):
        assert 0.95 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()


def test_relu1_is_relu_with_derivative_one_at_zero() -> None:
    inputs = torch.tensor([-2.0, -0.0, 0.0, 3.0, float("nan")], requires_grad=True)
    outputs = ReLU1()(inputs)
    outputs.sum().backward()
    assert outputs[:4].tolist() == [0.0, 0.0, 0.0, 3.0]
    assert outputs[4].isnan()
    assert inputs.grad is not None
    assert inputs.grad[:4].tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (VGG11(), (10,), "needs images"),
        (VGG19(), (3, 16, 16), "at least 32 x 32"),
        (LeNet5(), (1, 20, 20), "28 x 28 or 32 x 32"),
    ],
    ids=lambda value: str(value),
)
def test_an_input_that_does_not_fit_is_named(network: Network, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network.build(shape, 10)

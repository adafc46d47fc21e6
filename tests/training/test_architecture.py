from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.networks import build_network
from growsearch.runs.events import RowDone, RunEvent
from growsearch.surgery import Insertion, ResidualBlock, active_parameters, masks_of
from growsearch.training import Architecture, Interrupted, load_network, require_retrainable, run_one

Make = Callable[..., RunConfig]
Spec = dict[str, Any]

LAYERS = [
    {"conv": {"channels": 8, "padding": "same"}},
    "batch_norm",
    "relu",
    {"depthwise_conv": {}},
    "layer_norm",
    "global_average_pool",
    "linear",
]
NETWORKS: list[tuple[Spec, tuple[int, ...]]] = [
    ({"name": "mlp", "hidden": [8, 8]}, (5,)),
    ({"name": "mlp", "hidden": [8, 8], "initialisation": "glorot"}, (5,)),
    ({"name": "small_cnn", "norm": True}, (1, 8, 8)),
    ({"name": "lenet5"}, (1, 28, 28)),
    ({"name": "vgg11", "batch_norm": True}, (3, 8, 8)),
    ({"name": "vgg19"}, (3, 32, 32)),
    ({"name": "wrn28"}, (3, 8, 8)),
    ({"name": "wrn28", "grow": "all", "batch_norm": False}, (3, 8, 8)),
    ({"name": "resnet18_cifar"}, (3, 8, 8)),
    ({"name": "mobilenet_v1"}, (3, 32, 32)),
    ({"layers": LAYERS}, (1, 8, 8)),
]


def built(spec: Spec, shape: tuple[int, ...], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(spec, shape, 10, allow_import=True)


def shapes_of(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


@pytest.mark.parametrize(("spec", "shape"), NETWORKS, ids=lambda value: str(value)[:40])
def test_a_retrained_network_begins_as_one_that_is_built_at_that_size(spec: Spec, shape: tuple[int, ...]) -> None:
    expected = built({**spec, "width": 0.25}, shape, seed=3).state_dict()
    seed_spec = {**spec, "width": 0.125}
    architecture = Architecture((), shapes_of(expected), {})

    found = architecture.fresh(built(seed_spec, shape, seed=1), seed_spec, seed=3).state_dict()

    assert shapes_of(found) == shapes_of(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("spec", "shape"), NETWORKS[:4], ids=lambda value: str(value)[:40])
def test_weights_spread_as_the_fan_in_of_the_grown_layer_says(spec: Spec, shape: tuple[int, ...]) -> None:
    # Independent of any build: PyTorch's layers draw from U(-b, b), b = 1/sqrt(fan in), of variance b^2 / 3.
    grown = shapes_of(built({**spec, "width": 8.0}, shape, seed=0).state_dict())

    network = Architecture((), grown, {}).fresh(built(spec, shape, seed=0), spec, seed=0)

    for layer in (layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)):
        fan_in = layer.weight[0].numel()
        expected = 1 / (3 * fan_in) if spec.get("initialisation") != "glorot" else 2 / (fan_in + len(layer.weight))
        assert layer.weight.var().item() == pytest.approx(expected, rel=0.2)


def grown_run(student: Make, folder: Path, how: dict[str, Any], **growth: Any) -> RunConfig:
    when = {"interval": {"every": 5, "count": 3}}
    config = student(network={"name": "mlp", "hidden": [6, 6]}, growth={"when": when, "how": how, **growth})
    run_one(config, 0, folder, "cpu")
    return config


def test_inserted_layers_and_widths_are_those_of_the_run(student: Make, tmp_path: Path) -> None:
    config = grown_run(student, tmp_path, {"identity": {}}, budget={"units": 2})
    grown = load_network(tmp_path)
    architecture = Architecture.of(tmp_path)

    network = architecture.fresh(build_network(config.network, (4,), 3), config.network, 7)

    assert len(architecture.insertions) == 2
    assert shapes_of(network.state_dict()) == shapes_of(grown.state_dict())
    assert not any(torch.equal(one, other) for one, other in zip(network.parameters(), grown.parameters(), strict=True))
    for inserted in (layer for layer in network.modules() if isinstance(layer, ResidualBlock)):
        assert not inserted.last.get_parameter("weight").any()


def test_dormant_connections_stay_dormant(student: Make, tmp_path: Path) -> None:
    config = grown_run(student, tmp_path / "grown", {"nest": {}}, where={"nest": {}}, budget={"units": 4})
    grown = load_network(tmp_path / "grown")
    fixed = config.model_copy(update={"growth": config.growth.model_copy(update={"when": {"never": {}}})})

    result = run_one(fixed, 0, tmp_path / "new", "cpu", architecture=Architecture.of(tmp_path / "grown"))

    new, masks = load_network(tmp_path / "new"), masks_of(grown)
    assert masks and active_parameters(grown) < sum(parameter.numel() for parameter in grown.parameters())
    assert result.active_parameters == active_parameters(grown)
    for name, mask in masks.items():
        weight = new.get_parameter(name)
        assert torch.equal(masks_of(new)[name], mask)
        assert not weight[~mask].any() and weight[mask].any()


def test_an_interrupted_retraining_goes_on_bit_for_bit(student: Make, tmp_path: Path) -> None:
    config = grown_run(student, tmp_path / "grown", {"identity": {}}, budget={"units": 2})
    fixed = config.model_copy(update={"growth": config.growth.model_copy(update={"when": {"never": {}}})})
    architecture = Architecture.of(tmp_path / "grown")

    def interrupt(event: RunEvent) -> None:
        if isinstance(event, RowDone):
            raise Interrupted

    with pytest.raises(Interrupted):
        run_one(fixed, 0, tmp_path / "cut", "cpu", interrupt, architecture=architecture)
    run_one(fixed, 0, tmp_path / "cut", "cpu", architecture=architecture)
    run_one(fixed, 0, tmp_path / "whole", "cpu", architecture=architecture)

    cut, whole = (load_network(tmp_path / name).state_dict() for name in ("cut", "whole"))
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


def test_another_architecture_is_another_run() -> None:
    one = Architecture((), {"0.weight": (3, 4)}, {})

    others = [
        Architecture((), {"0.weight": (4, 4)}, {}),
        Architecture((Insertion("0", "identity", 3, 0, 1),), {"0.weight": (3, 4)}, {}),
        Architecture((), {"0.weight": (3, 4)}, {"0.weight_mask": torch.ones(3, 4, dtype=torch.bool)}),
        Architecture((), {"0.weight": (3, 4)}, {"0.weight_mask": torch.zeros(3, 4, dtype=torch.bool)}),
    ]

    assert len({one.key, *(other.key for other in others)}) == 5


OWN = """
import torch
from torch import nn

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((4,), 0.5).uniform_())
    def forward(self, inputs):
        return inputs * self.scale

def free():
    return nn.Sequential(nn.Linear(4, 4), Scaled(), nn.Linear(4, 3))

def drawn_otherwise():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    network[0].weight.data.normal_(0, 0.01)
    return network

def plain():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
"""


@pytest.mark.parametrize(
    ("function", "parameter"),
    [("free", "'1.scale' .of Scaled"), ("drawn_otherwise", "'0.weight' .of Linear"), ("plain", "")],
)
def test_a_network_that_begins_otherwise_is_refused_with_the_parameter(
    student: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, parameter: str
) -> None:
    (tmp_path / "retrained_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    network = {"name": f"retrained_networks:{function}"}
    config = student(network=network).model_copy(update={"allow_import": True})

    if not parameter:
        require_retrainable(config, (4,), 3)
        return
    with pytest.raises(InputError, match=f"cannot be trained from scratch at its grown size: {parameter}"):
        require_retrainable(config, (4,), 3)

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.networks import build_network, validate_network

BRANCHED: list[Any] = [
    {"conv": {"channels": 16, "padding": "same", "name": "stem"}},
    "batch_norm",
    "relu",
    {"add": [[{"conv": {"channels": 16, "padding": 1}}, "relu"], []]},
    {"concat": [[{"conv": {"channels": 8, "kernel": 1}}], [{"conv": {"channels": 4, "kernel": 3, "padding": 1}}]]},
    {"repeat": {"times": 2, "layers": [{"depthwise_conv": {"padding": "same"}}, {"max_pool": {"kernel": 2}}]}},
    "global_average_pool",
    "linear",
]


def built(layers: list[Any], shape: tuple[int, ...] = (3, 16, 16), outputs: int = 10, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_network({"layers": layers, **more}, shape, outputs)


def test_branches_become_a_plain_module_with_readable_names() -> None:
    module = built(BRANCHED)
    assert module(torch.randn(2, 3, 16, 16)).shape == (2, 10)
    assert [name for name, _ in module.named_children()] == [
        "stem", "batch_norm_1", "relu_1", "add_1", "concat_1", "depthwise_conv_1", "max_pool_1", "depthwise_conv_2",
        "max_pool_2", "global_average_pool_1", "linear_1",
    ]  # fmt: skip
    assert module.get_submodule("linear_1").in_features == 12


def test_an_empty_branch_is_the_identity() -> None:
    module = built([{"add": [[], []]}, {"concat": [[], []]}, "flatten", "linear"], shape=(2, 4, 4))
    inputs = torch.randn(1, 2, 4, 4)
    added = module.get_submodule("add_1")(inputs)
    torch.testing.assert_close(added, 2 * inputs)
    torch.testing.assert_close(module.get_submodule("concat_1")(added), torch.cat([added, added], dim=1))


def test_width_scales_hidden_sizes_but_not_the_outputs() -> None:
    layers = [{"conv": {"channels": 16, "name": "a"}}, "flatten", {"linear": {"features": 10, "name": "z"}}]
    module = built(layers, width=0.25)
    assert module.get_submodule("a").out_channels == 4
    assert module.get_submodule("z").out_features == 10


def test_a_last_convolution_makes_the_outputs() -> None:
    module = built([{"conv": {"channels": 8}}, "relu", {"conv": {"kernel": 1}}, "global_average_pool"])
    assert module(torch.randn(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize(
    "layer",
    ["layer_norm", {"group_norm": {"groups": 3}}, "relu1", "gelu", "silu", "tanh", "sigmoid", "leaky_relu", "dropout",
     "average_pool", "flatten", "batch_norm"],
    ids=str,
)  # fmt: skip
def test_every_other_layer_keeps_a_network_runnable(layer: Any) -> None:
    module = built([{"conv": {"channels": 6}}, layer, "flatten", {"linear": {"features": 5}}, "layer_norm", "linear"])
    assert module(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_inferring_shapes_leaves_the_module_in_training_mode_with_fresh_statistics() -> None:
    module = built([{"conv": {"channels": 4}}, "batch_norm", "global_average_pool", "linear"])
    assert all(child.training for child in module.modules())
    assert int(module.get_buffer("batch_norm_1.num_batches_tracked")) == 0


def test_all_problems_of_a_list_are_reported_at_once() -> None:
    layers = [{"convv": {}}, {"conv": {"channels": 0, "kernal": 3}}, {"add": [["rel"], []]}, 3]
    with pytest.raises(InputError) as caught:
        validate_network({"layers": layers})
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("layers[0] (convv): unknown layer") and "did you mean 'conv'" in lines[0]
    assert "(found 0; allowed 1 or more)" in lines[1]
    assert "did you mean 'kernel'" in lines[2]
    assert lines[3].startswith("layers[2] (add)[0][0] (rel): unknown layer")
    assert "found 3" in lines[4]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["linear"], r"layers\[0\] \(linear\): needs vectors: put flatten"),
        ([{"conv": {"channels": 3, "kernel": 40}}, "flatten", "linear"], "does not fit its input of shape 3 x 16 x 16"),
        (["flatten", "linear", "linear"], "features is missing"),
        (["relu"], "ends with shape 3 x 16 x 16, but the data needs 10 outputs"),
        (["flatten", {"linear": {"features": 9}}], "ends with shape 9"),
        (["flatten", {"relu": {"name": "x"}}, {"tanh": {"name": "x"}}, "linear"], "the name 'x' is taken"),
        ([{"relu": {"name": "type"}}], "no attribute of a module"),
        ([{"add": [[], [{"conv": {"channels": 1, "padding": 1}}]]}, "flatten", "linear"], "branches of different shap"),
        ([{"add": [[]]}], "at least two branches"),
        ([{"repeat": {"times": 0, "layers": []}}], "times has to be"),
        ([{"relu": 3}], "parameters are given as"),
        ([{"group_norm": {"groups": 2}}, "flatten", "linear"], "must be divisible"),
        (["flatten", "max_pool", "linear"], "needs a feature map"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(layers: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(layers)

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.networks import build_network, validate_network
from growsearch.registry import lookup, names


def test_every_installed_seed_network_describes_itself() -> None:
    installed = names("networks")
    assert {"lenet5", "mlp", "mobilenet_v1", "resnet18_cifar", "small_cnn", "vgg11", "vgg19", "wrn28"} <= set(installed)
    assert all(lookup("networks", name).summary and lookup("networks", name).source for name in installed)


def test_a_named_network_is_built_with_its_parameters() -> None:
    module = build_network({"name": "mlp", "hidden": [8], "width": 0.5}, (3, 4), 5)
    assert [type(layer).__name__ for layer in module.children()] == ["Flatten", "Linear", "ReLU", "Linear"]
    assert module(torch.zeros(2, 3, 4)).shape == (2, 5)


def test_a_torchvision_network_gets_the_outputs_of_the_data() -> None:
    with torch.device("meta"):
        assert build_network({"name": "torchvision:resnet18"}, (3, 32, 32), 7).fc.out_features == 7
        given = build_network({"name": "torchvision:resnet18", "num_classes": 3}, (3, 32, 32), 7)
    assert given.fc.out_features == 3


def test_own_code_runs_only_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks_of_a_test.py").write_text(
        "from torch import nn\ndef make(size):\n    return nn.Linear(4, size)\ndef wrong():\n    return 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = {"name": "own_networks_of_a_test:make", "size": 6}
    with pytest.raises(InputError, match="pass --allow-import"):
        build_network(spec, (4,), 6)
    module = build_network(spec, (4,), 6, allow_import=True)
    assert isinstance(module, nn.Linear) and module.out_features == 6
    for bad, message in [
        ({"name": "own_networks_of_a_test:wrong"}, "a torch.nn.Module is needed"),
        ({"name": "own_networks_of_a_test:make"}, "cannot be built"),
        ({"name": "own_networks_of_a_test:other"}, "cannot be imported"),
        ({"name": "no_such_module_of_a_test:other"}, "cannot be imported"),
    ]:
        with pytest.raises(InputError, match=message):
            build_network(bad, (4,), 6, allow_import=True)


def test_own_code_in_the_current_folder_is_found_after_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = "from torch import nn\ndef make():\n    return nn.Linear(4, {})\n"
    for folder, modules in (("here", ("one_of_a_test", "both_of_a_test")), ("installed", ("both_of_a_test",))):
        (tmp_path / folder).mkdir()
        for name in modules:
            (tmp_path / folder / f"{name}.py").write_text(made.format(6 if folder == "here" else 3))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("sys.path", [str(tmp_path / "installed"), *(path for path in sys.path if path)])
    for name, outputs in (("one_of_a_test", 6), ("both_of_a_test", 3)):
        module = build_network({"name": f"{name}:make"}, (4,), outputs, allow_import=True)
        assert isinstance(module, nn.Linear) and module.out_features == outputs


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "vg11"}, "did you mean 'vgg11'"),
        ({"name": "vgg11", "widht": 2}, "unknown parameter 'widht'.*did you mean 'width'"),
        ({"name": "vgg11", "width": 0}, "width: out of range .found 0; allowed more than 0"),
        ({"name": "mlp", "hidden": [0]}, r"hidden\.0: .*found 0; allowed 1 or more"),
        ({"name": "torchvision:resnt18"}, "did you mean 'resnet18'"),
        ({"name": 3}, "needs a name or layers"),
        ({"width": 1.0}, "needs a name or layers"),
        ({"layers": [], "widht": 1.0}, "beside layers only width"),
        ({"layers": ["relu"], "width": -1}, "a number above 0, found -1"),
        ({"layers": "relu"}, "a list of layers is needed"),
    ],
    ids=lambda value: str(value),
)
def test_a_wrong_spec_is_refused_before_anything_is_built(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate_network(spec)


@pytest.mark.parametrize(
    "spec", [{"name": "wrn28"}, {"layers": ["relu"]}, {"name": "a.b:c"}, {"name": "torchvision:vgg11"}]
)
def test_a_right_spec_passes(spec: dict[str, Any]) -> None:
    validate_network(spec)

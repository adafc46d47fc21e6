"""Every format, read in a fresh process, computes what the trained network computes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

import growsearch
from growsearch.errors import GrowsearchError, InputError
from growsearch.export import export_network
from growsearch.export import formats as export_formats
from growsearch.surgery import MaskEdit, active_parameters, apply_edits, masks_of
from growsearch.training.artifact import read_description, save_network
from tests.export.conftest import FORMATS, RUNS, grown_residual


@pytest.mark.parametrize("name", [*RUNS, "residual"])
def test_a_fresh_process_gets_the_same_outputs(differences: dict[str, dict[str, float]], name: str) -> None:
    found = differences[name]

    assert found["safetensors"] == 0
    assert found["torch"] <= 1e-5
    assert found["onnx"] <= 1e-5


def test_the_networks_of_these_tests_are_of_the_kinds_that_they_stand_for(trained: Path) -> None:
    widths = {name: json.loads((trained / name / "seed-0" / "network.json").read_text())["widths"] for name in RUNS}
    assert widths["mlp"] == {"1": 12}
    assert widths["cnn"] == {"0": 6, "3": 8}
    assert max(widths["own"].values()) == 6
    assert masks_of(growsearch.load(trained / "nest" / "seed-0"))
    model, insertions = grown_residual()
    assert [(one.path, one.layer) for one in insertions] == [("relu_1", "identity")]
    assert [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)] == [6, 6, 6]


def test_a_sparse_export_is_small_and_computes_the_same(
    trained: Path, tmp_path: Path, differences: dict[str, dict[str, float]]
) -> None:
    folder = trained / "nest" / "seed-0"
    dense = growsearch.load(folder)

    [plain] = export_network(folder, out=tmp_path / "plain")
    [sparse] = export_network(folder, out=tmp_path / "sparse", sparse=True)

    assert differences["nest"]["sparse"] <= 1e-5
    assert sparse.difference is not None and sparse.difference <= 1e-5
    assert sparse.bytes < 0.5 * plain.bytes
    assert {key: value.tolist() for key, value in masks_of(growsearch.load(tmp_path / "sparse")).items()} == {
        key: value.tolist() for key, value in masks_of(dense).items()
    }


def test_a_sparse_export_is_without_units_that_masks_have_cut_off(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "nest" / "seed-0", tmp_path / "run")
    model = growsearch.load(folder)
    apply_edits(model, [MaskEdit("1.weight", prune=torch.arange(5 * 64))])
    save_network(folder, model, read_description(folder))

    exported = export_network(folder, FORMATS, sparse=True)

    loaded = growsearch.load(folder / "export")
    assert loaded.get_submodule("1").weight.shape == (19, 64)
    assert all(one.difference is not None and one.difference <= 1e-5 for one in exported)
    described = read_description(folder / "export")
    assert described.widths["1"] == 19
    assert described.active_parameters == active_parameters(loaded) < (described.parameters or 0)
    assert described.parameters == sum(parameter.numel() for parameter in loaded.parameters())


def test_a_network_without_masks_has_no_sparse_form(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no connection of this network is dormant"):
        export_network(trained / "mlp" / "seed-0", out=tmp_path / "out", sparse=True)
    assert not (tmp_path / "out").exists()


def test_the_description_is_in_the_file_where_there_is_only_one(trained: Path, tmp_path: Path) -> None:
    export_network(trained / "cnn" / "seed-0", FORMATS[1:], tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.pt2"]
    model = onnx.load(tmp_path / "model.onnx")
    [description] = [json.loads(one.value) for one in model.metadata_props if one.key == "network.json"]
    extra = {"network.json": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=extra)
    assert json.loads(extra["network.json"]) == description
    assert description["widths"] == {"0": 6, "3": 8}
    assert 0 < description["normalisation"]["mean"][0] < 1
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_file_that_computes_something_else_is_not_kept(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_formats.Safetensors, "read", lambda *_: lambda inputs: torch.ones(len(inputs), 10))

    with pytest.raises(GrowsearchError, match="computes something else than the trained one"):
        export_network(trained / "mlp" / "seed-0", out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_that_cannot_says_so_in_one_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("\n no way to \n export it")

    monkeypatch.setattr(torch.export, "export", fail)

    with pytest.raises(GrowsearchError, match=r"torch\.export cannot export this network: no way to \(--format"):
        export_network(trained / "mlp" / "seed-0", ["torch"], tmp_path)


def test_onnx_is_written_but_not_compared_without_its_runtime(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_formats, "find_spec", lambda name: None if name == "onnxruntime" else object())

    [exported] = export_network(trained / "mlp" / "seed-0", ["onnx"], tmp_path)

    assert exported.difference is None
    assert exported.path.stat().st_size == exported.bytes


def test_damaged_files_are_named(trained: Path, tmp_path: Path) -> None:
    [exported] = export_network(trained / "mlp" / "seed-0", out=tmp_path)
    content = exported.path.read_bytes()

    exported.path.write_bytes(content[:40])
    with pytest.raises(GrowsearchError, match="is damaged"):
        growsearch.load(tmp_path)
    exported.path.write_bytes(content)
    (tmp_path / "network.json").write_text("{")
    with pytest.raises(GrowsearchError, match="network.json: is damaged"):
        growsearch.load(tmp_path)
    with pytest.raises(InputError, match="does not exist: name a finished run"):
        growsearch.load(tmp_path / "nowhere")


def test_the_users_own_module_is_imported_only_where_that_is_allowed(trained: Path) -> None:
    with pytest.raises(InputError, match="--allow-import"):
        growsearch.load(trained / "own" / "seed-0")

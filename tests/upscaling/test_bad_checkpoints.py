"""Checkpoints that cannot be used: one message each, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from growsearch.cli import app
from tests.upscaling.conftest import Make


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["upscale", *map(str, arguments)])


def refused(folder: Path, *arguments: object) -> str:
    """What the program says about a checkpoint that it cannot use; beside it nothing is made."""
    out = folder.parent / "larger"
    before = {path.name for path in folder.parent.iterdir()}
    found = run(folder, "--out", out, *(arguments or ("--mlp", "2x")))
    assert found.exit_code == 2 and "Traceback" not in found.output
    assert {path.name for path in folder.parent.iterdir()} == before
    message = str(found.stderr)
    assert message.count("error:") == 1 and len(message.strip().splitlines()) == 1
    return message


def edit(folder: Path, **fields: Any) -> None:
    file = folder / "config.json"
    content = {**json.loads(file.read_text()), **fields}
    file.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def test_without_transformers_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.upscaling.checkpoint.find_spec", lambda name: None)
    assert 'pip install "growsearch[transformers]"' in refused(tmp_path / "any")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mlp", "many"), "--mlp many: not a size (allowed: a whole number such as 24, or a multiple"),
        (("--depth", "4", "--how", "zeros"), "unknown initializer (how) 'zeros'"),
        (("--preset", "sola"), "--preset sola: unknown: there are llama-pro, solar (did you mean 'solar'?)"),
        ((), "nothing to upscale: give at least one of"),
    ],
)
def test_sizes_are_looked_at_first(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    found = run(tmp_path / "none", "--out", tmp_path / "larger", *arguments)
    assert found.exit_code == 2 and message in found.stderr


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    assert "gpt: is not a folder" in refused(tmp_path / "gpt")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: does not exist"),
        (lambda f: (f / "config.json").write_text("{"), "config.json: is no JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: has to hold a JSON object, found list"),
        (
            lambda f: edit(f, model_type="llamma"),
            "model_type 'llamma' is not one that transformers .*did you mean 'llama'",
        ),
        (lambda f: edit(f, model_type=None), "model_type None is not one that transformers"),
        (lambda f: edit(f, auto_map={"AutoModel": "mine.Mine"}), "code from a checkpoint is not run"),
        (lambda f: edit(f, hidden_size="wide"), "config.json: transformers cannot use it"),
        (lambda f: edit(f, architectures=["Mine"]), "architectures has to name one class of transformers .*'Mine'"),
        (lambda f: edit(f, architectures=None), "architectures has to name one class .* found none"),
        (
            lambda f: edit(f, intermediate_size=20),
            "the weights are not those of its config.json: 'model.layers.0.mlp.down_proj",
        ),
        (lambda f: (f / "model.safetensors").unlink(), "has no weights: there is no model.safetensors or"),
        (lambda f: (f / "model.safetensors").write_bytes(b"no tensors here"), "model.safetensors: is damaged, or no"),
        (lambda f: os.truncate(f / "model.safetensors", 9_000), "model.safetensors: is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_named(damage: Callable[[Path], Any], message: str, checkpoint: Make) -> None:
    folder = checkpoint("llama")
    damage(folder)
    assert re.search(message, refused(folder))


def test_shards_that_are_missing_are_counted(checkpoint: Make) -> None:
    folder = checkpoint("llama", shards="8KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    shards[1].unlink()
    assert f"1 of {len(shards)} shards are missing, such as {shards[1].name}" in refused(folder)


def test_an_older_file_that_is_no_checkpoint(checkpoint: Make) -> None:
    folder = checkpoint("llama")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"nothing")
    assert "the weights cannot be read" in refused(folder)


def test_every_option_reaches_the_network(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama", torch.bfloat16)
    options = ["--residual", "1.4", "--mlp", "1.5", "--heads", "6", "--round-to", "12", "--how", "copy_width"]

    told = run(folder, "--out", tmp_path / "first", *options)
    document = json.loads(run(folder, "--out", tmp_path / "second", *options, "--float32", "--json").stdout)

    assert "before weights were rounded to bfloat16:" in " ".join(told.stdout.split())
    assert document["sizes"] == {"depth": [2, 2], "residual": [16, 24], "heads": [4, 6], "mlp": [24, 36]}
    assert document["dtype"] == "float32" and document["difference"] <= 1e-5
    content = json.loads((tmp_path / "second" / "config.json").read_text())
    assert (content["hidden_size"], content["num_key_value_heads"]) == (24, 3)


def test_an_encoder_with_a_decoder_is_refused(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama")
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["T5Model"]}))
    assert "t5 has an encoder and a decoder" in refused(folder)


def test_what_exists_is_not_overwritten(checkpoint: Make, tmp_path: Path) -> None:
    folder, out = checkpoint("llama"), tmp_path / "larger"
    out.mkdir()
    (out / "mine").touch()
    assert "exists already, and is not overwritten" in refused(folder)
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written(checkpoint: Make, tmp_path: Path) -> None:
    found = run(checkpoint("llama"), "--out", tmp_path / "no" / "such" / "place", "--mlp", "2x")
    assert found.exit_code == 2 and "place: cannot be written: No such file or directory" in found.stderr


def test_the_command_tells_what_it_did(checkpoint: Make, tmp_path: Path) -> None:
    folder = checkpoint("llama")

    table = run(folder, "--out", tmp_path / "first", "--mlp", "2x")
    document = json.loads(run(folder, "--out", tmp_path / "second", "--mlp", "48", "--json").stdout)

    assert table.exit_code == 0
    for part in (
        "intermediate_size 24 to 48",
        "outputs at step 0: largest difference",
        "numbers are new",
        "written to",
    ):
        assert part in table.stdout
    assert document["sizes"]["mlp"] == [24, 48] and document["exact"] and document["difference"] <= 1e-5
    assert document["config"] == {"intermediate_size": [24, 48]}
    assert document["dtype"] == "float32" and document["unrounded"] <= 1e-5
    assert document["copied"] == ["generation_config.json", "tokenizer.json"]

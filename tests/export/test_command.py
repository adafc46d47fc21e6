"""`growsearch export`: which network, where to, and what cannot be done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import growsearch
from growsearch.export import export_network
from growsearch.export import formats as export_formats
from growsearch.installing import command_for_extra
from growsearch.search.trial import _copy_whole
from tests.cli.conftest import Run
from tests.cli.conftest import growsearch as command
from tests.export.conftest import RUNS

program = command


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run folder with two policies, of which one has two seeds."""
    for policy, seed in (("mlp", 0), ("mlp", 1), ("cnn", 0)):
        folder = tmp_path / "run" / policy / f"seed-{seed}"
        shutil.copytree(trained / policy / "seed-0", folder)
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps(result | {"seed": seed}))
    (tmp_path / "run" / "config.yaml").write_text("{}")
    return tmp_path / "run"


def test_the_chosen_network_is_written_beside_its_run_and_loads(program: Run, run: Path) -> None:
    result = program("export", run, "--policy", "mlp", "--seed", 1, "--format", "torch", "--format", "safetensors")

    out = run / "mlp" / "seed-1" / "export"
    assert result.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["model.pt2", "model.safetensors", "network.json"]
    assert f"growsearch.load('{out}')" in result.stdout.replace("\n", "")
    assert not growsearch.load(out).training


def test_json_says_what_was_written(program: Run, run: Path, tmp_path: Path) -> None:
    result = program("export", run / "cnn", "--out", tmp_path / "out", "--json")

    [file] = json.loads(result.stdout)["files"]
    assert file["format"] == "safetensors" and file["difference"] == 0
    assert file["path"] == str(tmp_path / "out" / "model.safetensors")
    assert file["bytes"] == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "has 3 finished networks: choose one with --policy NAME --seed N (cnn seed 0; mlp seed 0, 1)"),
        (["--policy", "mlp"], "has 2 finished networks: choose one with --policy NAME --seed N (mlp seed 0, 1)"),
        (["--policy", "mpl"], "has no finished network of policy 'mpl': choose one with"),
        (["--policy", "cnn", "--seed", "4"], "no finished network of policy 'cnn' with seed 4"),
        (
            ["--policy", "cnn", "--format", "onxn"],
            "unknown format 'onxn': allowed are safetensors, torch, onnx (did you",
        ),
        (["--policy", "cnn", "--sparse"], "no connection of this network is dormant"),
        (["--policy", "cnn", "--out", "{run}/cnn/seed-0"], "holds the run itself"),
        (["--policy", "cnn", "--out", "/proc/nowhere"], "/proc/nowhere: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_refused(program: Run, run: Path, arguments: list[str], words: str) -> None:
    result = program("export", run, *(argument.replace("{run}", str(run)) for argument in arguments))

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert not list(run.glob("**/export"))


def test_a_folder_without_a_finished_run_says_what_to_do(program: Run, run: Path, tmp_path: Path) -> None:
    for path in run.glob("*/seed-*/result.json"):
        path.unlink()
    search = tmp_path / "search"
    search.mkdir()
    (search / "search.json").write_text("{}")
    (search / "results.json").write_text('{"best": [3]}')

    assert "no run is finished: finish it with: growsearch resume" in program("export", run).stderr
    assert "holds no finished run (allowed:" in program("export", tmp_path / "nowhere").stderr
    assert f"is a search: name one of its trials (the best: {search}/trials/3)" in program("export", search).stderr


def test_a_missing_extra_is_named_before_anything_is_written(
    program: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_formats, "find_spec", lambda name: None if name == "onnxscript" else object())

    result = program("export", run, "--policy", "cnn", "--format", "torch", "--format", "onnx")

    assert result.exit_code == 2
    assert f"needs onnxscript, not installed here: {command_for_extra('onnx')}" in result.stderr
    assert not (run / "cnn" / "seed-0" / "export").exists()


def test_the_users_own_module_needs_to_be_allowed(program: Run, trained: Path, tmp_path: Path) -> None:
    assert "own" in RUNS
    refused = program("export", trained / "own", "--out", tmp_path)
    allowed = program("export", trained / "own", "--out", tmp_path, "--allow-import", "--quiet")

    assert refused.exit_code == 2 and "--allow-import" in refused.stderr
    assert allowed.exit_code == 0 and allowed.stdout == ""


def test_a_trial_whose_network_was_exported_is_resumed(trained: Path, tmp_path: Path) -> None:
    """What goes on with a seed's folder takes the files of the run along, and leaves the export."""
    seed = shutil.copytree(trained / "mlp" / "seed-0", tmp_path / "trials" / "0" / "seed-0")
    export_network(seed)

    _copy_whole(seed, tmp_path / "trials" / "1" / "seed-0")

    taken = {path.name for path in (tmp_path / "trials" / "1" / "seed-0").iterdir()}
    assert taken == {path.name for path in seed.iterdir()} - {"export"}

"""A run folder with a file that is cut off or changed: one message that names it, exit code 2, no traceback."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from growsearch.comparison import compare
from growsearch.config import load_config
from tests.audit.conftest import SMALL
from tests.cli.conftest import Run

SEED = "run/seed-0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    (home / "small.yaml").write_text(yaml.safe_dump(SMALL))
    compare(load_config(str(home / "small.yaml")), home / "run", "cpu", workers=1)
    return home / "run"


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A finished run, to be damaged."""
    return shutil.copytree(whole, tmp_path / "run")


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("report", "results.json"),
        ("report", "environment.json"),
        ("audit", "environment.json"),
        ("resume", f"{SEED}/result.json"),
        ("export", f"{SEED}/result.json"),
        ("export", f"{SEED}/network.json"),
        ("export", f"{SEED}/model.safetensors"),
    ],
)
def test_a_file_that_is_cut_off_is_named(growsearch: Run, folder: Path, command: str, file: str) -> None:
    cut(folder / file)
    options = ["--event", "1"] if command == "audit" else []

    result = growsearch(command, folder, *options)

    assert result.exit_code == 2, result.stderr
    assert f"{folder / file}: is damaged" in result.stderr
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["metrics.jsonl", "growth.jsonl"])
@pytest.mark.parametrize("command", ["report", "audit", "resume"])
def test_a_line_that_is_cut_off_is_named(growsearch: Run, folder: Path, command: str, name: str) -> None:
    path = folder / SEED / name
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([first, others[0][:20], *others]) + "\n")
    options = ["--event", "1"] if command == "audit" else []

    result = growsearch(command, folder, *options)

    assert result.exit_code == 2, result.stderr
    assert f"{path}, line 2: is damaged: not JSON" in result.stderr


@pytest.mark.parametrize("command", ["report", "resume"])
def test_a_configuration_that_is_no_yaml_is_named(growsearch: Run, folder: Path, command: str) -> None:
    (folder / "config.yaml").write_text("data: {name: digits\nnetwork: [")

    result = growsearch(command, folder)

    assert result.exit_code == 2, result.stderr
    assert re.search(r"config.yaml(, line 2|:2):?", result.stderr) and "not valid YAML" in result.stderr


def test_a_search_whose_note_is_cut_off_is_named(growsearch: Run, folder: Path) -> None:
    (folder / "search.json").write_text('{"study": "a"')

    result = growsearch("dashboard", folder)

    assert result.exit_code == 2, result.stderr
    assert f"{folder / 'search.json'}: is damaged: not JSON" in result.stderr

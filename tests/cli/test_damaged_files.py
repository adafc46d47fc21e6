"""A run folder with a file that is cut off or changed: one message that names it, exit code 2, no traceback."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from growsearch.comparison import compare
from growsearch.config import load_config
from growsearch.errors import DamageWarning
from growsearch.runs.records import RunResult
from growsearch.runs.store import read_result
from tests.audit.conftest import SMALL
from tests.cli.conftest import Run

SEED = "run/seed-0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    (home / "small.yaml").write_text(yaml.safe_dump({**SMALL, "seeds": 2}))
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
        ("export", f"{SEED}/result.json"),
        ("export", f"{SEED}/network.json"),
        ("export", f"{SEED}/model.safetensors"),
    ],
)
def test_a_file_that_is_cut_off_is_named(growsearch: Run, folder: Path, command: str, file: str) -> None:
    cut(folder / file)
    options = {"audit": ["--event", "1", "--seed", "0"], "export": ["--seed", "0"]}.get(command, [])

    result = growsearch(command, folder, *options)

    assert result.exit_code == 2, result.stderr
    assert f"{folder / file}: is damaged" in result.stderr
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["metrics.jsonl", "growth.jsonl"])
def test_a_line_that_is_cut_off_is_named(growsearch: Run, folder: Path, name: str) -> None:
    path = spoilt(folder / SEED / name)

    result = growsearch("audit", folder, "--event", "1", "--seed", "0")

    assert result.exit_code == 2, result.stderr
    assert f"{path}, line 2: is damaged: not JSON" in result.stderr


@pytest.mark.parametrize("name", ["metrics.jsonl", "growth.jsonl"])
def test_a_report_leaves_a_run_with_a_damaged_log_out(growsearch: Run, folder: Path, name: str) -> None:
    path = spoilt(folder / SEED / name)

    with pytest.warns(DamageWarning, match=f"{re.escape(str(path))}, line 2: is damaged.* left out"):
        result = growsearch("report", folder)

    assert result.exit_code == 0 and (folder / "report.html").is_file()


DAMAGES = [
    lambda seed: cut(seed / "result.json"),
    lambda seed: (seed / "result.json").write_text('{"of": "another program"}'),
    lambda seed: spoilt(seed / "metrics.jsonl"),
    lambda seed: last_line_lost(seed / "metrics.jsonl"),
    lambda seed: last_line_lost(seed / "growth.jsonl"),
    lambda seed: (seed / "growth.jsonl").unlink(),
    lambda seed: (seed / "network.json").write_text("{}"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_leaves_a_run_with_any_damaged_file_out(
    growsearch: Run, folder: Path, damage: Callable[[Path], object]
) -> None:
    damage(folder / SEED)

    with pytest.warns(DamageWarning, match=rf"{re.escape(str(folder / SEED))}/\w+\.json.*is damaged.* left out"):
        result = growsearch("report", folder)

    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("damage", DAMAGES)
def test_resume_repeats_the_run_with_a_damaged_file_and_keeps_the_others(
    growsearch: Run, whole: Path, folder: Path, damage: Callable[[Path], object]
) -> None:
    kept = (folder / "run/seed-1/result.json").stat().st_mtime_ns
    damage(folder / SEED)

    with pytest.warns(DamageWarning, match=rf"{re.escape(str(folder / SEED))}/\w+\.json.*is damaged.*repeated"):
        result = growsearch("resume", folder)

    assert result.exit_code == 0, result.stderr
    assert (folder / "run/seed-1/result.json").stat().st_mtime_ns == kept
    for name in ("growth.jsonl", "metrics.jsonl", "network.json"):
        before, after = ((home / SEED / name).read_text() for home in (whole, folder))
        assert without_seconds(after) == without_seconds(before)
    assert finished(folder / SEED).metrics == finished(whole / SEED).metrics


def spoilt(path: Path) -> Path:
    """The second line is cut off in the middle."""
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([first, others[0][:20], *others]) + "\n")
    return path


def last_line_lost(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def without_seconds(text: str) -> str:
    return re.sub(r'"seconds": [0-9.e-]+', "", text)


def finished(folder: Path) -> RunResult:
    result = read_result(folder)
    assert result is not None
    return result


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

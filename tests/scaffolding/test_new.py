"""`growsearch new`: what it prints, and the one message where it cannot write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from growsearch.cli import app
from growsearch.installing import command_for


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_writes_a_module_an_entry_point_and_a_test(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["new", "strategy", "cold_start", "--json"])

    files = ["cold_start/cold_start/__init__.py", "cold_start/pyproject.toml", "cold_start/tests/test_cold_start.py"]
    assert done.exit_code == 0 and json.loads(done.stdout) == {"folder": "cold_start", "files": files}
    assert all((tmp_path / file).is_file() for file in files)
    assert "class ColdStart(Initializer)" in (tmp_path / files[0]).read_text()


@pytest.mark.parametrize("kind", ["where", "when"])
def test_the_kind_of_a_strategy_is_chosen(kind: str) -> None:
    done = CliRunner().invoke(app, ["new", "strategy", "mine_alone", "--kind", kind, "--out", "there"])

    assert done.exit_code == 0 and f'"growsearch.{kind}"' in Path("there", "pyproject.toml").read_text()
    assert f"next: {command_for('there[test]', editable=True)} && python -m pytest there" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "My-Data"], "such as my_data"),
        (["data", "3d"], "use small letters and digits"),
        (["data", "../up"], "such as up"),
        (["data", "class"], "means something in Python: choose another, such as my_class"),
        (["data", "json"], "means something in Python"),
        (["data", "torch"], "a package of this name is installed"),
        (["data", "digits"], "growsearch has it already (data set)"),
        (["strategy", "gradmax"], "growsearch_strategies has it already (initializer (how))"),
        (["network", "a" * 41], "at most 40 characters"),
        (["rule", "soften", "--kind", "how"], "only a strategy has a kind"),
        (["rule", "soften", "--out", "full"], "full is there already"),
        (["rule", "soften", "--out", "file/below"], "file/below: cannot be written"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_cannot_be_used_is_refused_by_one_message(arguments: list[str], message: str) -> None:
    Path("full").mkdir()
    Path("file").touch()
    before = sorted(Path().rglob("*"))
    done = CliRunner().invoke(app, ["new", *arguments])

    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_another_kind_of_thing_is_refused() -> None:
    done = CliRunner().invoke(app, ["new", "optimizer", "mine"])

    assert done.exit_code == 2 and "strategy" in done.output

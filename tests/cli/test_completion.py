"""What a shell offers behind Tab, and that it need not wait for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from growsearch.cli import app
from tests.cli.conftest import Run
from tests.cli.test_start_up import SLOW, imported_by


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the shell is in: a file, two run folders, one of them in `runs`, and another folder."""
    (tmp_path / "quick.yaml").write_text("")
    for run in ("runs/digits", "photos"):
        (tmp_path / run).mkdir(parents=True)
        for name in ("config.yaml", "environment.json"):
            (tmp_path / run / name).write_text("")
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(*words: str) -> list[str]:
    from typer.testing import CliRunner

    typed = ["growsearch", *words]
    asked = {
        "_GROWSEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
    }
    result = CliRunner().invoke(app, [], env=asked, prog_name="growsearch")
    assert result.exit_code == 0, result.output
    return str(result.stdout).split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "qu"), ["quickstart", "quick.yaml"]),
        (("search", "digits"), ["digits_policies"]),
        (("resume", ""), ["photos", "runs/digits"]),
        (("resume", "runs/d"), ["runs/digits"]),
        (("report", "nowhere/"), []),
        (("diff", "photos", "ru"), ["runs/digits"]),
        (("strategies", "how.grad"), ["how.gradmax", "how.gradmax_opt"]),
        (("audit", "photos", "--how", "gradmax_"), ["gradmax_opt"]),
        (("run", "quickstart", "--log", "t"), ["tensorboard"]),
        (("inspect", "--network", "vgg"), ["vgg11", "vgg19"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_shell_is_offered_what_fits(folder: Path, words: tuple[str, ...], found: list[str]) -> None:
    assert offered(*words) == found


def test_completing_imports_nothing_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_GROWSEARCH_COMPLETE", "complete_bash"), ("COMP_WORDS", "x run qu"), ("COMP_CWORD", "2")):
        monkeypatch.setenv(name, value)

    # Typer itself needs pydantic for it.
    assert not imported_by(folder=tmp_path, program="growsearch") & {*SLOW, "torch", "numpy", "yaml"}


def test_every_command_that_prints_a_result_prints_it_as_json_too() -> None:
    from typer.main import get_command

    without = {
        "schema": "is JSON",
        "proxy": "a server",
        "dashboard": "a server",
    }
    group = get_command(app)
    flags = {
        name: {flag for parameter in command.params for flag in parameter.opts}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }
    assert {name for name, found in flags.items() if "--json" not in found} == set(without)
    assert len(flags) > 15


def test_every_command_and_flag_says_what_it_does() -> None:
    from typer.main import get_command

    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help and command.help.strip().endswith("."), name
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, (name, parameter.name)


def test_init_says_in_json_what_it_has_chosen(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    result = growsearch("init", path, "--json")

    chosen = json.loads(result.stdout)
    assert chosen["file"] == str(path) and (chosen["data"], chosen["network"]) == ("digits", "small_cnn")
    assert result.stderr == "" and path.is_file()

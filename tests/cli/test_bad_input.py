"""Bad input ends in one clear message on standard error and exit code 2, never in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from growsearch.cli import main
from tests.cli.conftest import Run
from tests.config.conftest import PLAIN
from tests.config.test_ranges import OPEN


@pytest.mark.parametrize("command", ["run", "compare", "validate", "inspect"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("how: {random:", "how: {gradmx:", "unknown initializer (how) (found gradmx; allowed"),
        ("epochs: 2", "epocs: 2", "unknown key 'epocs' (allowed epochs,"),
        (
            "lr: 0.1",
            "lr: {type: float, low: 0, high: 1}",
            "training.optimizer.lr.low: out of range (found 0.0; allowed more than 0)",
        ),
        ("budget: {width: 1.0}", "budget: {width: 0.1}", "budget below the seed network (found width 0.1; allowed 0.5"),
        ("growth:", "data: {}\ngrowth:", "data: duplicate key (first on line 1)"),
        ("network: {", "network: [", "not valid YAML: while parsing a flow sequence"),
    ],
)
def test_a_bad_file_is_refused_by_every_command_that_reads_one(
    growsearch: Run, tmp_path: Path, command: str, old: str, new: str, words: str
) -> None:
    assert old in PLAIN
    path = tmp_path / "bad.yaml"
    path.write_text(PLAIN.replace(old, new))

    result = growsearch(command, path)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{path}:" in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file, nor a shipped file"),
        (["compare", "quickstrat"], "did you mean 'quickstart'?"),
        (["validate", "."], ".: is a folder"),
        (["run", "quickstart"], "has the policies small, big, random, split, gradmax: choose one with --policy"),
        (["run", "quickstart", "--policy", "gradmx"], "unknown policy 'gradmx'"),
        (["validate", "quickstart", "--set", "training.epochs"], "not an override"),
        (["strategies", "gradmx"], "did you mean 'gradmax'?"),
        (["resume", "nowhere"], "nowhere: is not a run folder"),
        (["inspect"], "inspect needs a FILE or a --network"),
        (["inspect", "--network", "vg11"], "did you mean 'vgg11'?"),
        (["inspect", "--network", "vgg11", "--input", "3,32"], "not a shape"),
        (["inspect", "--network", "os.path:join"], "--allow-import"),
        (["schema", "--out", "/nowhere/schema.json"], "cannot be written"),
        (["compare", "quickstart", "--seeds", "0"], "--seeds"),
        (["compare", "quickstart", "--device", "tpu"], "tpu"),
        (["comapre", "quickstart"], "comapre"),
    ],
)
def test_bad_arguments_are_refused(growsearch: Run, arguments: list[str], words: str) -> None:
    result = growsearch(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["compare", "quickstart", "--out", ""], "--out"),
        (["compare", "quickstart", "--out="], "--out"),
        (["search", "mine.yaml", "--study", ""], "--study"),
        (["report", ""], "an argument"),
    ],
)
def test_an_argument_without_a_value_is_refused(
    arguments: list[str], what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty path would be the current folder."""
    monkeypatch.setattr("sys.argv", ["growsearch", *arguments])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {what} is empty: give a value, or leave it out\n"


def test_a_file_that_is_not_valid_is_told_as_json_too(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(PLAIN.replace("epochs: 2", "epocs: 2"))

    result = growsearch("validate", path, "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["file"], told["valid"]) == (2, str(path), False)
    assert "unknown key 'epocs'" in told["error"] and told["error"] in result.stderr


def test_a_network_that_memory_is_too_small_for_is_refused(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_text(PLAIN.replace("hidden: [8]", "hidden: [8000000000000]"))

    result = growsearch("validate", path)

    assert result.exit_code == 2 and "there is too little memory to set it up" in result.stderr


def test_ranges_are_for_a_search(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(OPEN)

    result = growsearch("run", path)

    assert result.exit_code == 2
    assert "training.optimizer.lr is a range" in result.stderr
    assert growsearch("validate", path).exit_code == 0


def test_there_must_be_policies_to_compare(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)

    result = growsearch("compare", path)

    assert result.exit_code == 2
    assert "there are no policies to compare" in result.stderr


def test_a_missing_data_folder_is_refused_before_anything_runs(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(PLAIN.replace("{name: digits}", f"{{name: image_folder, root: {tmp_path / 'nowhere'}}}"))

    result = growsearch("run", path, "--out", tmp_path / "out")

    assert result.exit_code == 2
    assert str(tmp_path / "nowhere") in result.stderr


def test_the_program_itself_exits_with_two_and_one_message(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(PLAIN.replace("epochs: 2", "epochs: 0"))

    result = subprocess.run(
        [sys.executable, "-c", "from growsearch.cli import main; main()", "validate", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (f"error: {path}:4:3: training.epochs: out of range (found 0; allowed 1 or more)\n")

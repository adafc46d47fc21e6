"""`growsearch audit`: what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from growsearch.comparison import compare
from tests.audit.conftest import SMALL, config
from tests.cli.conftest import Run

QUICK = ("--seeds", "1", "--device", "cpu", "--workers", "1")
STILL = {"growth": {"when": {"never": {}}}}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    compare(config(), folder, "cpu", workers=1)
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    compare(config(policies={"still": STILL, "grown": {}}, seeds=2), folder, "cpu", workers=1)
    return folder


def test_it_says_first_what_the_event_was_worth(growsearch: Run, single: Path) -> None:
    result = growsearch("audit", single, "--event", 1, "--how", "random", *QUICK)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Event 1 (+2 units in 1, gradmax) changed the validation loss after 8 steps by")
    for words in ("without", "how random", "equal FLOPs", "results: "):
        assert words in result.stdout
    assert "repeated the run up to step 8, as it was recorded" in result.stderr
    assert "beware" not in result.stderr


def test_it_gives_one_json_document(growsearch: Run, single: Path) -> None:
    result = growsearch("audit", single, "--event", 2, "--steps", 5, *QUICK, "--json")

    found = json.loads(result.stdout)
    assert (found["event"], found["step"], found["steps"]) == (2, 16, 5)
    assert json.loads(Path(found["file"]).read_text()) == {k: v for k, v in found.items() if k != "file"}


def test_all_events_together(growsearch: Run, single: Path) -> None:
    shown, document = growsearch("audit", single, "--all"), growsearch("audit", single, "--all", "--json")

    assert shown.stdout.startswith("seed 0 had 2 growth events.")
    assert "first step of the new weights" in shown.stdout
    assert len(json.loads(document.stdout)["rows"]) == 2


def test_quiet_prints_nothing(growsearch: Run, single: Path) -> None:
    result = growsearch("audit", single, "--event", 1, *QUICK, "--quiet")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_a_run_of_a_comparison_is_chosen(growsearch: Run, several: Path) -> None:
    result = growsearch("audit", several, "--event", 1, "--policy", "grown", "--seed", 1, *QUICK, "--json")

    assert result.exit_code == 0, result.stderr
    assert (several / "grown" / "seed-1" / "audit" / "event-1" / "results.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "audit needs --event K or --all, and not both"),
        (["--event", "1", "--all"], "audit needs --event K or --all, and not both"),
        (["--all", "--how", "zero"], "--all trains no branches"),
        (["--event", "3"], "there is no event 3: seed 0 has 2 growth events (1 at step 8, 2 at step 16)"),
        (["--event", "0"], "there is no event 0"),
        (["--event", "1", "--steps", "17"], "give at most 16"),
        (["--event", "1", "--how", "gradmx"], "did you mean 'gradmax'?"),
        (["--event", "1", "--where", "gradmax"], "unknown selector (where) 'gradmax'"),
        (["--event", "1", "--how", "gradmax:{scal: 1}"], "did you mean 'scale'?"),
        (["--event", "1", "--how", "gradmax:1"], "allowed are a strategy's name, or name:{parameter: value}"),
        (["--event", "1", "--how", "gradmax:{"], "not valid YAML"),
        (["--event", "1", "--how", "zero", "--how", "zero"], "--how zero: is given twice"),
        (["--event", "1", "--policy", "grown"], "there is no run of policy 'grown' (found run: seed 0)"),
        (["--event", "1", "--seed", "5"], "there is no run of policy run with seed 5 (found seed 0)"),
    ],
)
def test_bad_arguments(growsearch: Run, single: Path, arguments: list[str], words: str) -> None:
    result = growsearch("audit", single, *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "holds several runs: choose one with --policy NAME --seed N (still: seeds 0, 1; grown: seeds 0, 1)"),
        (["--policy", "grown"], "policy grown has several runs: choose one with --seed N (seeds 0, 1)"),
        (["--policy", "grwn"], "did you mean 'grown'?"),
        (["--policy", "still", "--seed", "0"], "has no growth event to audit; these have: grown seed 0, grown seed 1"),
    ],
)
def test_a_comparison_lists_its_runs(growsearch: Run, several: Path, arguments: list[str], words: str) -> None:
    result = growsearch("audit", several, "--event", "1", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_folders_that_hold_no_run_to_audit(growsearch: Run, single: Path, tmp_path: Path) -> None:
    assert "is not a run folder" in growsearch("audit", tmp_path, "--event", 1).stderr
    (tmp_path / "config.yaml").write_text((single / "config.yaml").read_text())
    assert "no run has begun" in growsearch("audit", tmp_path, "--event", 1).stderr
    (tmp_path / "search.json").write_text("{}")
    result = growsearch("audit", tmp_path, "--event", 1)

    assert result.exit_code == 2
    assert "is the folder of a search" in result.stderr


def test_a_changed_configuration_is_refused(growsearch: Run, tmp_path: Path) -> None:
    compare(config(), tmp_path, "cpu", workers=1)
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace("lr: 0.2", "lr: 0.3"))

    result = growsearch("audit", tmp_path, "--event", 1)

    assert result.exit_code == 2
    assert "was run with another configuration" in result.stderr


def test_sizes_that_gradient_descent_chooses_have_no_events(growsearch: Run, tmp_path: Path) -> None:
    compare(config(growth={"soft": {"size_gate": {}}}), tmp_path, "cpu", workers=1)

    result = growsearch("audit", tmp_path, "--all")

    assert result.exit_code == 2
    assert "sizes are chosen by gradient descent (size_gate)" in result.stderr


def test_branches_that_fail_are_named(growsearch: Run, tmp_path: Path) -> None:
    network = {"name": "mlp", "hidden": [4], "activation": "sigmoid"}
    compare(config(network=network, growth={**SMALL["growth"], "how": {"zero": {}}}), tmp_path, "cpu", workers=1)

    result = growsearch("audit", tmp_path, "--event", 1, "--how", "gradmax", *QUICK)

    assert result.exit_code == 3
    assert "failed: how gradmax seed 0: " in result.stderr
    assert "1 branch failed; the others are kept" in result.stderr
    assert result.stdout.startswith("Event 1")

"""`growsearch list` and `growsearch diff`: run folders as they are on disk."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from growsearch.runs.lock import held
from tests.cli.conftest import Run

Make = Callable[..., Path]
ENVIRONMENT = {"command": ["growsearch"], "python": "3.12", "packages": {"torch": "2.11", "numpy": None}, "cores": 2}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A finished comparison, an interrupted one, one with a failure, and two searches."""
    better = {"metric": "test_loss", "higher_is_better": False}
    policies = {"a": {"seeds": [0, 1], "test_loss": [0.5, 0.3]}, "b": {"seeds": [0], "test_loss": [0.6]}}
    for name, results in {
        "done": {"policies": policies, "verdict": better, "failures": []},
        "failed": {"policies": policies, "verdict": better, "failures": [{"policy": "b"}]},
        "begun": None,
        "searched": _search(ended_by="budget"),
        "searching": _search(ended_by=None),
        "cut": "{",
    }.items():
        folder = tmp_path / name
        (folder / "a" / "seed-0").mkdir(parents=True)
        (folder / "a" / "seed-0" / "result.json").write_text("{}")
        (folder / "config.yaml").write_text("training: {epochs: 3, optimizer: {name: sgd, lr: 0.1}}\nseeds: 2\n")
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
        if results is not None:
            (folder / "results.json").write_text(results if isinstance(results, str) else json.dumps(results))
        if name.startswith("search"):
            (folder / "search.json").write_text("{}")
    (tmp_path / "no run").mkdir()
    return tmp_path


def _search(ended_by: str | None) -> dict[str, object]:
    trials = [{"number": 0, "values": [0.4]}, {"number": 1, "values": [0.2]}]
    return {"best": [1], "trials": trials, "objectives": [{"minimise": "validation_loss"}], "ended_by": ended_by}


def test_list_says_what_every_run_is_and_how_far_it_is(growsearch: Run, runs: Path) -> None:
    with held(runs / "begun"):
        found = {Path(one["folder"]).name: one for one in json.loads(growsearch("list", runs, "--json").stdout)}

    assert set(found) == {"done", "failed", "begun", "searched", "searching", "cut"}
    assert found["begun"]["state"].startswith("running: process ")
    states = {name: one["state"] for name, one in found.items() if name != "begun"}
    assert states == {
        "done": "finished",
        "failed": "1 failed",
        "searched": "finished",
        "searching": "interrupted",
        "cut": "damaged results.json",
    }
    assert (found["done"]["best"], found["done"]["value"], found["done"]["finished"]) == ("a", 0.4, 1)
    assert (found["searched"]["best"], found["searched"]["metric"]) == ("trial 1", "validation_loss")
    assert found["done"]["bytes"] > 100
    table = growsearch("list", runs).stdout
    assert "test loss 0.4" in table and "trial 1" in table
    assert growsearch("list", runs / "done").stdout.count("finished") == 1


def test_list_says_whether_it_is_a_run_a_comparison_or_a_search_and_what_was_audited(
    growsearch: Run, runs: Path
) -> None:
    compared = "policies: {a: {}, b: {}}\n"
    for name, config in {"done": compared, "failed": compared, "cut": "policies: {"}.items():
        (runs / name / "config.yaml").write_text(config)
    (runs / "begun" / "run").mkdir()
    for place in ("event-1/results.json", "event-3/results.json"):
        path = runs / "done" / "a" / "seed-0" / "audit" / place
        path.parent.mkdir(parents=True)
        path.write_text("{}")

    found = {Path(one["folder"]).name: one for one in json.loads(growsearch("list", runs, "--json").stdout)}

    assert {name: one["kind"] for name, one in found.items()} == {
        "done": "comparison",
        "failed": "comparison",
        "begun": "run",
        "cut": "comparison",
        "searched": "search",
        "searching": "search",
    }
    assert {name: one["audits"] for name, one in found.items() if one["audits"]} == {"done": 2}
    assert "comparison, 2 audits" in growsearch("list", runs / "done").stdout
    assert " run " in growsearch("list", runs / "begun").stdout


def test_a_lock_that_nobody_holds_is_no_running_run(growsearch: Run, runs: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock = {"process": gone.pid, "host": socket.gethostname(), "since": "s", "command": "c"}
    (runs / "begun" / "lock.json").write_text(json.dumps(lock))

    [one] = json.loads(growsearch("list", runs / "begun", "--json").stdout)

    assert one["state"] == "interrupted"


def test_list_of_nothing(growsearch: Run, tmp_path: Path) -> None:
    assert "there are no run folders" in growsearch("list", tmp_path).stderr
    gone = growsearch("list", tmp_path / "gone")
    assert gone.exit_code == 2 and "is not a folder" in gone.stderr


def test_diff_shows_values_that_differ_and_no_other(growsearch: Run, runs: Path) -> None:
    done, begun = runs / "done", runs / "begun"
    same = growsearch("diff", done, begun)
    (begun / "config.yaml").write_text("training: {epochs: 5, optimizer: {name: sgd, lr: 0.1}, clip: 1.0}\nseeds: 2\n")
    (begun / "environment.json").write_text(json.dumps({**ENVIRONMENT, "packages": {"torch": "2.12", "numpy": None}}))

    found = json.loads(growsearch("diff", done, begun, "--json").stdout)

    assert "no difference" in same.stdout
    assert found == {
        "configuration": [
            {"path": "training.epochs", "left": 3, "right": 5},
            {"path": "training.clip", "left": "not there", "right": 1.0},
        ],
        "environment": [{"path": "packages.torch", "left": "2.11", "right": "2.12"}],
    }
    shown = growsearch("diff", done, begun).stdout
    assert "training.epochs" in shown and "seeds" not in shown
    assert "training.clip" in growsearch("diff", done / "config.yaml", begun / "config.yaml").stdout


def test_diff_of_what_is_no_run_is_one_message(growsearch: Run, runs: Path) -> None:
    result = growsearch("diff", runs / "done", runs / "no run")

    assert result.exit_code == 2 and "neither a run folder" in result.stderr

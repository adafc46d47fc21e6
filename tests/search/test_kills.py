"""Killed twice: no finished trial is lost, none is run twice, and the study reaches its count."""

from __future__ import annotations

from pathlib import Path

from growsearch.search import search
from tests.search.conftest import PATIENCE, MakeSpace
from tests.search.kills import Killed
from tests.search.stub import record, train

OVERRIDES = ["search.baselines=false", "search.sampler=random", "search.lease=60"]
KILLS, TRIALS = 2, 12  # so many that a quick machine is not done before the second kill


def test_a_search_in_a_database_survives_being_killed(space: MakeSpace, postgres: str, tmp_path: Path) -> None:
    """A worker, then all of it; `test_workers` does the same to one in a journal."""
    folder, overrides = tmp_path / "run", [*OVERRIDES, f"search.budget.trials={TRIALS}"]
    killed = Killed(space(*overrides).path, folder, postgres, overrides, tmp_path / "program.py")
    try:
        killed.run(KILLS, seed=0, patience=2 * PATIENCE)
    finally:
        killed.end()

    results = search(space(*overrides), folder, "cpu", 1, train=train)

    assert killed.kills == KILLS
    assert not results["failures"]
    assert [trial["state"] for trial in results["trials"]] == ["complete"] * TRIALS
    finished = [line["lr"] for line in record(folder, "finished")]
    assert len(finished) == len(set(finished)) <= TRIALS
    for rate in finished:
        rows = [line["rows"] for line in record(folder, "begun") if line["lr"] == rate]
        assert rows == sorted(rows), rows  # never behind what was reached before
    assert not list(folder.rglob("checkpoint.pt"))

"""Killed again and again: no finished trial is lost, none is run twice, and the study reaches its count."""

from __future__ import annotations

from pathlib import Path

import pytest

from growsearch.search import search
from tests.search.conftest import PATIENCE, MakeSpace
from tests.search.kills import Killed
from tests.search.stub import record, train

OVERRIDES = ["search.baselines=false", "search.sampler=random", "search.lease=60"]


@pytest.mark.parametrize(
    ("storage", "kills", "trials"),
    [("journal", 8, 24), ("postgres", 3, 9)],  # on PostgreSQL a kill takes several times as long
    indirect=["storage"],
)
def test_a_search_survives_being_killed_again_and_again(
    space: MakeSpace, storage: str, kills: int, trials: int, tmp_path: Path
) -> None:
    folder, overrides = tmp_path / "run", [*OVERRIDES, f"search.trials={trials}"]
    killed = Killed(space(*overrides).path, folder, storage, overrides, tmp_path / "program.py")
    try:
        killed.run(kills, seed=0, patience=2 * PATIENCE)
    finally:
        killed.end()

    results = search(space(*overrides), folder, "cpu", 1, train=train)

    assert killed.kills == kills
    assert not results["failures"]
    assert [trial["state"] for trial in results["trials"]] == ["complete"] * trials
    finished = [line["lr"] for line in record(folder, "finished")]
    assert len(finished) == len(set(finished)) <= trials
    for rate in finished:
        rows = [line["rows"] for line in record(folder, "begun") if line["lr"] == rate]
        assert rows == sorted(rows), rows  # never behind what was reached before
    assert not list(folder.rglob("checkpoint.pt"))

"""Killed at random, twenty times: no finished trial is lost, none is run twice, and the study reaches its count."""

from __future__ import annotations

from pathlib import Path

import pytest

from growsearch.search import search
from tests.search.conftest import PATIENCE, MakeSpace
from tests.search.kills import Killed
from tests.search.stub import record, train

KILLS = 20
TRIALS = 60
OVERRIDES = [f"search.trials={TRIALS}", "search.baselines=false", "search.sampler=random", "search.lease=60"]


@pytest.mark.parametrize("storage", ["journal", "postgres"], indirect=True)
def test_a_search_survives_being_killed_again_and_again(space: MakeSpace, storage: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    killed = Killed(space(*OVERRIDES).path, folder, storage, OVERRIDES, tmp_path / "program.py")
    try:
        killed.run(KILLS, seed=0, patience=2 * PATIENCE)
    finally:
        killed.end()

    results = search(space(*OVERRIDES), folder, "cpu", 1, train=train)

    assert killed.kills == KILLS
    assert not results["failures"]
    assert [trial["state"] for trial in results["trials"]] == ["complete"] * TRIALS
    finished = [line["lr"] for line in record(folder, "finished")]
    assert len(finished) == len(set(finished)) <= TRIALS
    for rate in finished:
        rows = [line["rows"] for line in record(folder, "begun") if line["lr"] == rate]
        assert rows == sorted(rows), rows  # never behind what was reached before
    assert not list(folder.rglob("checkpoint.pt"))

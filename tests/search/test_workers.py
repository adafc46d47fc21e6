"""Real worker processes, killed: nothing is lost, nothing is trained twice, and the study reaches its full count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from growsearch.errors import GrowsearchError
from growsearch.search import search
from growsearch.search.run import is_search, open_folder
from tests.search.conftest import PATIENCE, MakeSpace, heed_interrupts, wait_for
from tests.search.stub import record, train

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 12
OVERRIDES = [f"search.budget.trials={TRIALS}", "search.baselines=false", "search.sampler=random", "search.lease=60"]


def at_work(folder: Path) -> int | None:
    """The process of a worker that has a trial half done."""
    if not is_search(folder):
        return None
    for trial in open_folder(folder).trials((TrialState.RUNNING,)):
        worker = trial.user_attrs.get("lease", {}).get("worker")
        if worker and list(folder.glob(f"trials/{trial.number}/seed-0/checkpoint.pt")):
            return int(worker.split(":")[1])
    return None


def require_all_there(folder: Path, results: dict[str, Any], trials: int) -> None:
    """The full count, each trained once: a resumed one went on from its checkpoint."""
    assert [trial["state"] for trial in results["trials"]] == ["complete"] * trials
    trained = [line for line in record(folder, "finished")]
    assert len({line["lr"] for line in trained}) == len(trained)
    begun: dict[float, list[int]] = {}
    for line in record(folder, "begun"):
        begun.setdefault(line["lr"], []).append(line["rows"])
    for rows in begun.values():
        assert rows == sorted(rows)  # never behind what was reached before
        assert all(row > 0 for row in rows[1:]), rows


PROGRAM = """
import sys
from pathlib import Path
from growsearch.config import load_space
from growsearch.errors import GrowsearchError
from growsearch.search import search
from tests.search.stub import train

if __name__ == "__main__":
    search(load_space(sys.argv[1], sys.argv[3:]), Path(sys.argv[2]), "cpu", 2, train=train)
"""


def start(space: MakeSpace, folder: Path, tmp_path: Path) -> subprocess.Popen[bytes]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STUB_SECONDS": "0.15"}
    command = [sys.executable, str(program), str(space(*OVERRIDES).path), str(folder), *OVERRIDES]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=heed_interrupts
    )


def test_what_is_killed_or_interrupted_is_continued_and_nothing_is_lost(space: MakeSpace, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(space, folder, tmp_path)
    first = wait_for(lambda: at_work(folder))
    os.kill(first, signal.SIGKILL)  # another worker goes on with its trial
    wait_for(lambda: record(folder, "begun", resumed=True))
    wait_for(lambda: at_work(folder))
    process.kill()  # its workers notice, write checkpoints and requeue their trials
    process.communicate()
    wait_for(lambda: not open_folder(folder).trials((TrialState.RUNNING,)))

    process = start(space, folder, tmp_path)
    wait_for(lambda: at_work(folder))
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = process.communicate(timeout=PATIENCE)
    assert b"KeyboardInterrupt" in said
    assert not open_folder(folder).trials((TrialState.RUNNING,))

    results = search(space(*OVERRIDES), folder, "cpu", 1, train=train)

    require_all_there(folder, results, TRIALS)
    assert record(folder, "interrupted")
    assert not list(folder.rglob("checkpoint.pt"))


def test_a_full_disk_ends_the_search_with_the_reason_and_nothing_is_lost(space: MakeSpace, tmp_path: Path) -> None:
    with pytest.raises(GrowsearchError, match="the disk is full: make room"):
        search(space(*OVERRIDES), tmp_path / "run", "cpu", 1, train=full_disk)

    results = search(space(*OVERRIDES), tmp_path / "run", "cpu", 1, train=train)

    require_all_there(tmp_path / "run", results, TRIALS)


def full_disk(*_: Any) -> dict[str, Any]:
    raise OSError(28, "No space left on device")

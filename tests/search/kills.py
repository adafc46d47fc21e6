"""A search that is killed again and again, its workers and its parent alike, until it is done."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from optuna.trial import TrialState

from growsearch.search.queue import is_done
from growsearch.search.run import is_search, open_folder
from growsearch.search.study import Study

ROOT = Path(__file__).resolve().parents[2]
MOST = 3  # kills of one trial before it comes further
PROGRAM = """
import sys
from pathlib import Path
from growsearch.config import load_space
from growsearch.search import search
from tests.search.stub import train

if __name__ == "__main__":
    file, folder, storage, *overrides = sys.argv[1:]
    search(load_space(file, overrides), Path(folder), "cpu", 2, storage=storage or None, train=train)
"""


class Killed:
    """A search with two workers in processes of their own, which `kill` hits; it is started again where it ended."""

    def __init__(self, file: Path, folder: Path, storage: str | None, overrides: list[str], program: Path) -> None:
        program.write_text(PROGRAM)
        self._command = [sys.executable, str(program), str(file), str(folder), storage or "", *overrides]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._study: Study | None = None
        self._struck: Counter[tuple[int, str]] = Counter()
        self.kills = 0

    def run(self, kills: int, seed: int, patience: float) -> None:
        """Kill a worker that has a trial half done, then the parent, in turn, `kills` times, and let it finish."""
        drawn, until = random.Random(seed), time.monotonic() + patience
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                if self._process is not None and self._process.returncode == 0:
                    return
                self._start()
            time.sleep(0.1)
            if self.kills < kills and self._at_work():
                time.sleep(drawn.random())
                workers = self._at_work()
                if not workers:
                    continue
                parent = self._process.pid if self._process is not None else 0
                target = drawn.choice(sorted(workers))
                struck = list(workers) if (whole := self.kills % 2 == 1) else [target]
                # Five deaths at one place are a failure of the trial, as they should be: not what is tried here.
                if any(self._struck[workers[process]] >= MOST for process in struck):
                    continue
                self._struck.update(workers[process] for process in struck)
                self._kill(parent if whole else target)
        self.end()
        raise TimeoutError(f"{self.kills} of {kills} kills, and not done")

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "STUB_SECONDS": "0.2"}
        self._process = subprocess.Popen(self._command, env=environment, stderr=subprocess.DEVNULL)

    def _kill(self, process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            self.kills += 1

    def _at_work(self) -> dict[int, tuple[int, str]]:
        """Workers that have a trial half done, and live: by process, the trial and how far it has come."""
        if self._study is None:
            if not is_search(self._folder):
                return {}
            self._study = open_folder(self._folder)
        if is_done(self._study):
            return {}
        found = {}
        for trial in self._study.trials((TrialState.RUNNING,)):
            worker = trial.user_attrs.get("lease", {}).get("worker")
            for checkpoint in self._folder.glob(f"trials/{trial.number}/seed-*/checkpoint.pt"):
                with contextlib.suppress(FileNotFoundError):  # just finished
                    if worker and _lives(process := int(worker.split(":")[1])):
                        found[process] = (trial.number, checkpoint.read_text())
        return found


def _lives(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"

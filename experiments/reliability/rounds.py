"""Rounds of kills: one command each, killed and resumed until it is done, and compared with an undisturbed one."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from optuna.trial import TrialState

from experiments.reliability.finished_runs import differences, of_folder
from experiments.reliability.processes import Command
from growsearch.execution.environment import core_count
from growsearch.search.leases import MOST_DEATHS
from growsearch.search.run import is_search, open_folder

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
RECORD = HERE / "kills.json"
COMMANDS = {
    "compare": ["compare", str(HERE / "killed.yaml")],
    "search": ["search", str(HERE / "killed_search.yaml")],
    "run": ["run", str(HERE / "killed.yaml"), "--policy", "gradmax"],
}
ORDER = ("search", "compare", "search", "search", "run")
WAYS = {"group": 3, "parent": 3, "below": 14, "interrupt": 2, "terminate": 1}  # how often each
MOST_KILLS, MOST_STARTS = 30, 60  # of a round
_LOOK = 0.25  # seconds
EARLY = 0.15  # share of the kills that do not wait for the command to train


class Round:
    """One command in a new folder, killed and resumed until it is done."""

    def __init__(self, command: str, seed: int, home: Path, kills: int) -> None:
        self._command, self._drawn, self._kills = command, random.Random(seed), kills
        self._folder, self._log = home / f"{seed}-{command}", home / f"{seed}-{command}.log"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._log.unlink(missing_ok=True)
        self.told: Counter[str] = Counter()
        self._starts = 0

    def play(self) -> Path:
        """Kill and resume until the command ends by itself; its folder."""
        while self._starts < MOST_STARTS:
            command = self._start()
            while command.code is None:
                if self.told["kills"] < self._kills and self._at_work(command):
                    self._kill(command)
                time.sleep(_LOOK)
            if command.code == 0:
                break
        return self._folder

    def _start(self) -> Command:
        self._starts += 1
        begun = (self._folder / "config.yaml").exists()
        arguments = ["resume", str(self._folder)] if begun else [*COMMANDS[self._command], "--out", str(self._folder)]
        return Command([*arguments, "--quiet"], self._log)

    def _at_work(self, command: Command) -> bool:
        """Wait for a random moment: of its training, or now and then of its start; whether it is to be killed then."""
        if self._drawn.random() < EARLY:
            time.sleep(4 * self._drawn.random())
        else:
            while command.code is None and not self._trains(command):
                time.sleep(_LOOK)
            time.sleep(1.5 * self._drawn.random())
        return command.code is None and not self._near_giving_up()

    def _near_giving_up(self) -> bool:
        """Whether a trial has lost several workers at one place: one more or two, and it fails, as it should."""
        if not is_search(self._folder):
            return False
        trials = open_folder(self._folder).trials((TrialState.RUNNING, TrialState.WAITING))
        return any(
            trial.user_attrs.get("deaths", 0) >= MOST_DEATHS - 2
            and trial.user_attrs.get("lease", {}).get("reached", [0, 0]) <= trial.user_attrs["died_at"]
            for trial in trials
        )

    def _trains(self, command: Command) -> bool:
        """Whether a file of a training was written since it was started."""
        for path in self._folder.rglob("seed-*/*"):
            try:
                if path.stat().st_mtime > command.started + 1:
                    return True
            except FileNotFoundError:
                continue
        return False

    def _kill(self, command: Command) -> None:
        way = self._drawn.choices([*WAYS], [*WAYS.values()])[0]
        below = command.below()
        if way == "below" and not below:
            way = "group"
        match way:
            case "group":
                command.kill_group()
            case "parent":
                command.kill_parent()
            case "below":
                command.kill_below(self._drawn.choice(below))
            case "interrupt" | "terminate":
                command.interrupt() if way == "interrupt" else command.terminate()
                self.told["not ended when told to"] += not command.ends()
                self.told["left running"] += command.leaves_running()
        self.told["kills"] += 1
        self.told[way] += 1


def undisturbed(command: str, home: Path) -> dict[str, list[str]]:
    """What the command ends with where nobody kills it, by the code as it is now: another version has other bits."""
    name = f"undisturbed-{command}-{code()}"
    folder, log = home / name, home / f"{name}.log"
    if not (folder / "report.html").exists():
        started = Command([*COMMANDS[command], "--out", str(folder), "--quiet"], log)
        if not started.ends() or started.code != 0:
            raise SystemExit(f"{command} failed without being killed: see {log}")
    return of_folder(folder)


def code() -> str:
    """Equal while no module that computes has changed."""
    files = sorted(path for top in ("growsearch", "strategies") for path in (ROOT / top).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def total(rounds: list[dict[str, Any]]) -> dict[str, int]:
    """The sums over all rounds."""
    sums: Counter[str] = Counter()
    for one in rounds:
        sums.update({key: value for key, value in one.items() if isinstance(value, int)})
    return {key: sums[key] for key in sorted(sums) if key != "seed"}


def play_rounds(kills: int, home: Path) -> None:
    """Play rounds until there were as many kills as asked for."""
    home.mkdir(parents=True, exist_ok=True)
    rounds = json.loads(RECORD.read_text())["rounds"] if RECORD.exists() else []
    expected = {command: undisturbed(command, home) for command in COMMANDS}
    while (done := sum(one["kills"] for one in rounds)) < kills:
        seed = len(rounds)
        command = ORDER[seed % len(ORDER)]
        played, started = Round(command, seed, home, min(MOST_KILLS, kills - done)), time.monotonic()
        folder = played.play()
        found = differences(of_folder(folder), expected[command])
        rounds.append({"command": command, "seed": seed, "code": code(), **found, **played.told})
        record = {"total": total(rounds), "cores": core_count(), "torch": torch.__version__, "rounds": rounds}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(f"{time.monotonic() - started:.0f} s", rounds[-1], flush=True)
        if not any(found.values()):
            shutil.rmtree(folder)

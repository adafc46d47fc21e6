"""Kill runs, nodes and drivers on a simulated Ray cluster at random moments, and compare what the commands end with.

    uv run --extra cluster python -m experiments.reliability.cluster_kills [--kills 40] [--folder runs/cluster-kills]

The cluster has three nodes on this machine: the driver's, which takes no runs, and two of one core each. A kill is
SIGKILL to the process of a run or worker, the loss of a node (another one joins), SIGKILL or SIGINT to the driver,
after which the command is resumed. Runs write a checkpoint every fifth of a second. What is compared, and how, is as in
`kills`: with commands on this machine that nobody killed. What was found is in `cluster_kills.json` after every round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from experiments.reliability.finished_runs import differences, of_folder
from experiments.reliability.rounds import COMMANDS, code, total
from growsearch.execution.environment import core_count

RECORD = Path(__file__).with_suffix(".json")
ORDER = ("compare", "search")
WAYS = {"process": 4, "node": 3, "driver": 2, "interrupt": 1}  # how often each
MOST_KILLS, PATIENCE = 8, 900.0  # of a round; seconds
OFTEN = """
import sys
if sys.argv and sys.argv[0].endswith("default_worker.py"):
    import growsearch.training.loop
    growsearch.training.loop.CHECKPOINT_SECONDS = 0.2
"""


class Round:
    """One command on the cluster, killed and resumed until it is done."""

    def __init__(self, cluster: Any, command: str, seed: int, home: Path, kills: int) -> None:
        self._cluster, self._command, self._drawn, self._kills = cluster, command, random.Random(seed), kills
        self._folder, self._log = home / f"{seed}-{command}", home / f"{seed}-{command}.log"
        shutil.rmtree(self._folder, ignore_errors=True)
        self.told: Counter[str] = Counter()

    def play(self) -> Path:
        """Kill and resume until the command ends by itself; its folder."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            driver = self._start()
            while driver.poll() is None:
                if self.told["kills"] < self._kills and self._at_work(driver):
                    self._kill(driver)
                time.sleep(0.3)
                if time.monotonic() > until:
                    driver.kill()
            if driver.returncode == 0:
                break
        return self._folder

    def _start(self) -> subprocess.Popen[bytes]:
        begun = (self._folder / "config.yaml").exists()
        arguments = ["resume", str(self._folder)] if begun else [*COMMANDS[self._command], "--out", str(self._folder)]
        arguments += ["--quiet", "--executor", "ray", "--address", self._cluster.address]
        with self._log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "growsearch", *arguments], stdout=log, stderr=log)

    def _at_work(self, driver: subprocess.Popen[bytes]) -> bool:
        """Wait for a random moment of a training, now and then of a start; whether there is something to kill then."""
        if self._drawn.random() < 0.2:
            time.sleep(6 * self._drawn.random())
        else:
            while driver.poll() is None and not processes():
                time.sleep(0.1)
            time.sleep(4 + 4 * self._drawn.random())
        return driver.poll() is None

    def _kill(self, driver: subprocess.Popen[bytes]) -> None:
        way = self._drawn.choices([*WAYS], [*WAYS.values()])[0]
        running = processes()
        if way == "process" and not running:
            return
        match way:
            case "process":
                with suppress(ProcessLookupError):
                    os.kill(self._drawn.choice(running), signal.SIGKILL)
            case "node":
                others = [node for node in self._cluster.list_all_nodes() if node is not self._cluster.head_node]
                self._cluster.add_node(num_cpus=1)
                self._cluster.remove_node(self._drawn.choice(others), allow_graceful=False)
            case "driver":
                driver.kill()
            case "interrupt":
                driver.send_signal(signal.SIGINT)
        self.told["kills"] += 1
        self.told[way] += 1


def processes() -> list[int]:
    """The processes of runs and workers on all nodes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith((b"ray::attempt", b"ray::_be_worker")):
                found.append(int(path.parent.name))
    return sorted(found)


def undisturbed(command: str, home: Path) -> dict[str, list[str]]:
    """What the command ends with on this machine where nobody kills it, by the code as it is now."""
    folder = home / f"undisturbed-{command}-{code()}"
    if not (folder / "report.html").exists():
        arguments = [*COMMANDS[command], "--out", str(folder), "--quiet"]
        subprocess.run([sys.executable, "-m", "growsearch", *arguments], check=True)
    return of_folder(folder)


def left_running() -> int:
    """Runs and workers that go on behind a command that is done."""
    until = time.monotonic() + 60
    while processes() and time.monotonic() < until:
        time.sleep(0.5)
    return len(processes())


def main() -> None:
    """Play rounds until there were as many kills as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("runs/cluster-kills"))
    options = parser.parse_args()
    home = options.folder.resolve()
    (home / "often").mkdir(parents=True, exist_ok=True)
    (home / "often" / "sitecustomize.py").write_text(OFTEN)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(home / "often"), os.getcwd()])
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # as the product sets it, before Ray is imported
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    rounds = json.loads(RECORD.read_text())["rounds"] if RECORD.exists() else []
    while (done := sum(one["kills"] for one in rounds)) < options.kills:
        seed, started = len(rounds), time.monotonic()
        command = ORDER[seed % len(ORDER)]
        expected = undisturbed(command, home)
        played = Round(cluster, command, seed, home, min(MOST_KILLS, options.kills - done))
        folder = played.play()
        finished = (folder / "results.json").exists()
        found = differences(of_folder(folder) if finished else {}, expected)
        rounds.append(
            {"command": command, "seed": seed, "code": code(), **found, **played.told, "left running": left_running()}
        )
        record = {"total": total(rounds), "cores": core_count(), "torch": torch.__version__, "rounds": rounds}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(f"{time.monotonic() - started:.0f} s", rounds[-1], flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()

"""What does a storage bear? Many workers whose trials only pretend to train; no trial may be lost or run twice.

.ci/postgres uv run python experiments/search_load/run.py [--out FOLDER] [--workers N] [--trials N]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from optuna.distributions import FloatDistribution

from growsearch.config import RunConfig, load_space
from growsearch.runs.events import Progress, RowDone
from growsearch.runs.records import MetricsRow, RunResult
from growsearch.search import search
from growsearch.search.run import open_folder
from growsearch.search.storage import open_storage

HERE = Path(__file__).parent
SERVER = "GROWSEARCH_TEST_POSTGRES"
ROWS = 4  # evaluations of a trial; the first is past both rungs, where it reports twice and may be pruned
RUNNING = (1, 10, 100, 1000)
LOOKS = 10
CALLS = "calls"  # folder of what the workers measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/search_load"))
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--storages", nargs="*", default=["journal", "postgres", "proxy"])
    options = parser.parse_args()
    path = HERE / "results.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    record["command"] = ".ci/postgres uv run python experiments/search_load/run.py"
    for storage in options.storages:
        for workers, trials in ((options.workers, options.trials), (1, 200)):
            folder = options.out / f"{storage}-{workers}"
            with address(storage, folder) as url:
                record.setdefault(storage, {})[f"{workers} workers"] = measure(folder, url, workers, trials)
                if workers == 1:
                    record[storage]["read_ms_by_running_trials"] = reading(folder, url)
            environment = json.loads((folder / "environment.json").read_text())
            record["git"] = environment["git"]
            record["environment"] = {k: environment.get(k) for k in ("packages", "processor", "cores")}
            path.write_text(json.dumps(record, indent=1) + "\n")


@contextmanager
def address(storage: str, folder: Path) -> Iterator[str | None]:
    """The storage that a search is to use: None for the journal in its folder."""
    if storage == "journal":
        yield None
        return
    name = f"load_{os.getpid()}_{int(time.time())}"
    with psycopg.connect(f"{os.environ[SERVER]}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    database = f"{os.environ[SERVER]}/{name}"
    if storage == "postgres":
        yield database
        return
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "growsearch", "proxy", "--storage", database, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as proxy:
        assert proxy.stderr is not None
        proxy.stderr.readline()
        yield f"grpc://localhost:{port}"
        proxy.send_signal(signal.SIGTERM)


def train(config: RunConfig, seed: int, folder: Path, device: str, progress: Progress) -> RunResult:
    """Pretend: a score from the configuration, rows without work between them, each call of `progress` timed."""
    optimizer = config.training.optimizer
    score = 1 / (1 + (optimizer["lr"] - 0.1) ** 2 + optimizer.get("momentum", 0.0))
    calls = folder.parents[2] / CALLS
    calls.mkdir(exist_ok=True)
    with (calls / f"{os.getpid()}.txt").open("a") as file:
        file.write(f"begun {folder.parent.name}\n")
        file.flush()
        for row in range(1, ROWS + 1):
            event = RowDone(row_of(row, score * row / 4), ROWS)
            began = time.perf_counter()
            try:
                progress(event)
            finally:
                if row == 1:  # past both rungs at once: a heartbeat, two reports, two looks at all trials
                    file.write(f"report {(time.perf_counter() - began) / 2}\n")
    return RunResult(
        config="",
        seed=seed,
        steps=ROWS,
        train_loss=None,
        metrics={"validation_accuracy": score},
        parameters=1,
        flops=1,
        training_flops=1,
        seconds=0.0,
        growth_seconds=0.0,
        growth_events=0,
        widths={},
        device=device,
        precision="float32",
    )


def row_of(row: int, accuracy: float) -> MetricsRow:
    """A row of which only the FLOPs and the accuracy count."""
    return MetricsRow(
        step=row,
        epoch=row,
        train_loss=None,
        metrics={"validation_accuracy": accuracy},
        lr=0.1,
        parameters=1,
        training_flops=10**15 * row,
        seconds=0.0,
    )


def measure(folder: Path, url: str | None, workers: int, trials: int) -> dict[str, Any]:
    """Run the study, count its trials, and read how long the reports took."""
    space = load_space(str(HERE / "space.yaml"), [f"search.budget.trials={trials}"])
    began = time.perf_counter()
    results = search(space, folder, "cpu", workers, storage=url, train=train)
    seconds = time.perf_counter() - began
    lines = [line.split() for path in (folder / CALLS).iterdir() for line in path.read_text().splitlines()]
    begun = [int(value) for what, value in lines if what == "begun"]
    reports = sorted(1000 * float(value) for what, value in lines if what == "report")
    states = [trial["state"] for trial in results["trials"]]
    return {
        "trials": len(states),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "begun_twice": len(begun) - len(set(begun)),
        "never_begun": len(set(range(trials)) - set(begun)),
        "seconds": seconds,
        "trials_per_second": trials / seconds,
        "report_ms": {
            "mean": statistics.mean(reports),
            "median": statistics.median(reports),
            "p99": reports[int(0.99 * len(reports))],
        },
    }


def reading(folder: Path, url: str | None) -> dict[int, float]:
    """Milliseconds of one look at all trials, by how many of them are running: what many workers cost each of them."""
    study = open_folder(folder)
    storage = open_storage(url) if url else study.storage
    found, there = {}, 0
    for running in RUNNING:
        while there < running:
            trial = storage.create_new_trial(study.id)
            storage.set_trial_param(trial, "a", 0.5, FloatDistribution(0, 1))
            storage.set_trial_user_attr(trial, "lease", {"worker": "somewhere:1:a", "beat": 1, "seed": 0, "step": 1})
            there += 1
        storage.get_all_trials(study.id, deepcopy=False)
        began = time.perf_counter()
        for _ in range(LOOKS):
            storage.get_all_trials(study.id, deepcopy=False)
        found[running] = 1000 * (time.perf_counter() - began) / LOOKS
    return found


if __name__ == "__main__":
    main()

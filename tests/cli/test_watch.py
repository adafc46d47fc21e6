"""`growsearch watch`: how a run stands while it runs, in the terminal and on a page of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from growsearch.report.live import make_live_server
from growsearch.runs.lock import held
from growsearch.runs.records import GrowthLine
from tests.cli.conftest import Run
from tests.report.test_browser import CHROMIUM, FLAGS

EVENT = GrowthLine(
    step=20,
    sites={"first": 3},
    widths={"first": 7, "second": 5},
    widths_before={"first": 4, "second": 5},
    when="interval",
    where="uniform",
    how="zero",
    parameters_before=100,
    parameters_after=130,
    flops_before=1,
    flops_after=2,
    predicted_change=None,
    measured_change=None,
    output_change=0.0,
    seconds=0.1,
)


def row(step: int, parameters: int) -> str:
    plain = {"step": step, "epoch": 1.0, "train_loss": 1.0 / step, "validation_loss": 2.0 / step, "lr": 0.1}
    return json.dumps({**plain, "parameters": parameters, "training_flops": step, "seconds": 1.0}) + "\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A comparison under way: a seed finished, one grew and has a line cut off, one failed; and a pilot run."""
    folder = tmp_path / "running"
    for name in ("small/seed-0", "grown/seed-0", "grown/seed-1", "pilot runs/grown/lr x 2/seed-9"):
        (folder / name).mkdir(parents=True)
        (folder / name / "metrics.jsonl").write_text(row(10, 100) + row(20, 100))
    (folder / "config.yaml").write_text("seeds: 2\n")
    (folder / "small/seed-0/result.json").write_text("{}")
    (folder / "grown/seed-1/failure.txt").write_text("no memory")
    (folder / "grown/seed-0/metrics.jsonl").write_text(row(10, 100) + row(20, 130) + '{"step": 3')
    (folder / "grown/seed-0/growth.jsonl").write_text(json.dumps(EVENT.plain()) + "\n")
    return folder


def test_it_says_how_every_training_stands(growsearch: Run, run: Path) -> None:
    with held(run):
        found = json.loads(growsearch("watch", run, "--json").stdout)
        table = growsearch("watch", run).stdout

    trainings = {one["name"]: one for one in found["trainings"]}
    assert {name: one["state"] for name, one in trainings.items()} == {
        "small, seed 0": "finished",
        "grown, seed 0": "running",
        "grown, seed 1": "failed",
        "grown, lr x 2, seed 9": "running",
    }
    grown = trainings["grown, seed 0"]
    assert grown["step"] == [10, 20] and grown["metrics"]["parameters"] == [100, 130]
    assert grown["metrics"]["validation_loss"] == [0.2, 0.1]
    assert grown["grown"] == [20] and grown["before"] == {"first": 4, "second": 5} and grown["widths"]["first"] == 7
    assert grown["events"][0]["words"].startswith("+3 units in first")
    assert found["counts"] == {"running": 2, "finished": 1, "failed": 1} and found["command"]
    assert "2 running, 1 finished, 1 failed" in table and "grown, seed 0" in table


def test_a_trial_that_was_pruned_is_not_called_running(growsearch: Run, run: Path) -> None:
    for name in ("trials/7/seed-0", "trials/8/seed-0", "race/trials/7/seed-1000"):
        (run / name).mkdir(parents=True)
        (run / name / "metrics.jsonl").write_text(row(10, 100))

    with held(run), held(run / "trials/8/seed-0"):
        found = json.loads(growsearch("watch", run, "--json").stdout)["trainings"]

    states = {one["name"]: one["state"] for one in found}
    assert states["trial 7, seed 0"] == "stopped" and states["trial 8, seed 0"] == "running"
    assert states["race run 7, seed 1000"] == "stopped"


def test_it_changes_nothing(growsearch: Run, run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    growsearch("watch", run)

    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_another_folder_is_one_message(growsearch: Run, tmp_path: Path) -> None:
    for flags in ((), ("--web",), ("--json",)):
        result = growsearch("watch", tmp_path, *flags)
        assert result.exit_code == 2 and "is not a run folder" in result.stderr


@contextmanager
def served(run: Path) -> Iterator[str]:
    with make_live_server(run, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_only_two_paths_and_only_this_machines_names_are_answered(run: Path) -> None:
    opener = build_opener(ProxyHandler({}))
    with served(run) as address:
        with opener.open(f"{address}/") as page, opener.open(f"{address}/state.json") as state:
            assert b"connect-src 'self'" in page.read() and json.load(state)["name"] == "running"
        for request, code in (
            (Request(f"{address}/config.yaml"), 404),
            (Request(f"{address}/../config.yaml"), 404),
            (Request(f"{address}/state.json", headers={"Host": "elsewhere.example"}), 403),
        ):
            with pytest.raises(HTTPError) as error:
                opener.open(request)
            assert error.value.code == code
            error.value.close()


def test_a_port_that_is_taken_is_one_message(growsearch: Run, run: Path) -> None:
    with served(run) as address:
        result = growsearch("watch", run, "--web", "--port", address.rpartition(":")[2])

    assert result.exit_code == 2 and "choose another --port" in result.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_page_draws_curves_growth_and_the_network(run: Path, tmp_path: Path) -> None:
    with served(run) as address:
        command = [str(CHROMIUM), *FLAGS, "--no-proxy-server", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom"]
        done = subprocess.run([*command, f"{address}/"], capture_output=True, text=True, timeout=120, check=True)

    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    page = done.stdout
    assert "2 finished" not in page and "1 finished" in page
    # A line a training and the ticks of the one that grew, in each of two charts.
    assert page.count('class="trace scatter') == 2 * (4 + 1)
    assert "+3 units in first" in page and "4 to 7" in page
    # In a box without a height plotly draws 450 pixels, over what is below it.
    assert set(re.findall(r'<svg class="main-svg"[^>]* height="([0-9.]+)"', page)) == {"432", "288"}

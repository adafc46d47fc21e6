"""The dashboard serves the study of a search, and says in one line why it cannot."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from growsearch.cli import app
from growsearch.installing import command_for_extra
from growsearch.search.dashboard import make_dashboard
from growsearch.search.run import open_folder
from growsearch.search.storage import open_storage
from tests.search.conftest import PATIENCE, RunStub, heed_interrupts

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 4


def growsearch(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["dashboard", *map(str, arguments)])


def fetched(url: str) -> Any:
    with closing(urlopen(url, timeout=20)) as answer:
        return json.loads(answer.read())


@pytest.fixture
def folder(run_stub: RunStub, tmp_path: Path) -> Path:
    """The folder of a finished search."""
    run_stub(f"search.budget.trials={TRIALS}")
    return tmp_path / "run"


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """The address of a running dashboard of the search."""
    with make_dashboard(open_folder(folder).storage, "localhost", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_it_shows_the_study_and_all_its_trials(address: str) -> None:
    [study] = fetched(f"{address}/api/studies")["study_summaries"]
    assert study["study_name"] == "space"

    trials = fetched(f"{address}/api/studies/{study['study_id']}")["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * TRIALS


def test_its_page_is_served(address: str) -> None:
    with closing(urlopen(f"{address}/dashboard", timeout=20)) as answer:
        assert b"<title>Optuna Dashboard</title>" in answer.read()


def test_it_shows_what_happens_after_it_was_started(address: str, folder: Path) -> None:
    [before] = fetched(f"{address}/api/studies")["study_summaries"]
    study = open_folder(folder)
    study.storage.set_study_user_attr(study.id, "note", "later")

    assert fetched(f"{address}/api/studies")["study_summaries"][0] != before


@pytest.mark.parametrize("by_storage", [False, True])
def test_the_command_says_where_it_is_in_one_line_and_ends_with_ctrl_c(folder: Path, by_storage: bool) -> None:
    what = ["--storage", folder / "study.journal"] if by_storage else [folder]
    command = [sys.executable, "-c", "from growsearch.cli import main; main()", "dashboard", *what, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, preexec_fn=heed_interrupts, **pipes) as process:
        try:
            line = process.stderr.readline()
            page = line.split()[2]
            studies = fetched(f"{page.partition('/dashboard')[0]}/api/studies")["study_summaries"]
            process.send_signal(signal.SIGINT)
            out, rest = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert page.endswith("/dashboard" if by_storage else f"/dashboard/studies/{studies[0]['study_id']}")
    assert (line, out, rest) == (f"dashboard at {page} (Ctrl-C ends it)\n", "", "")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the folder of a search or --storage STORAGE (found neither)"),
        (["{run}", "--storage", "{run}/study.journal"], "(found both)"),
        (["{run}/trials"], "trials holds no search"),
        (["--storage", "{run}/other.journal"], "other.journal: there is no such journal"),
        (["--storage", "{run}/results.json"], "it is no journal"),
        (["--storage", "ftp://somewhere"], "unknown scheme 'ftp'"),
        (["{run}", "--host", "256.0.0.1"], "cannot listen on 256.0.0.1:8080"),
    ],
)
def test_bad_input_ends_in_one_message(folder: Path, arguments: list[str], message: str) -> None:
    result = growsearch(*(argument.format(run=folder) for argument in arguments))

    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "other.journal").exists()


def test_a_port_that_is_taken_is_refused(folder: Path) -> None:
    with socket.create_server(("localhost", 0)) as other:
        port = other.getsockname()[1]
        result = growsearch(folder, "--port", port)

    assert result.exit_code == 2
    assert f"cannot listen on localhost:{port}: Address already in use: choose another" in result.stderr


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)

    result = growsearch("--storage", folder / "study.journal")

    assert result.exit_code == 2
    assert result.stderr == f"error: the dashboard needs optuna-dashboard: {command_for_extra('dashboard')}\n"
    assert open_storage(str(folder / "study.journal")).get_all_studies()

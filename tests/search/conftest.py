"""Spaces that take no time, and searches over them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from growsearch.config import Space, load_space
from growsearch.search import search
from tests.search.stub import train

TEXT = """\
data: {name: digits}
network: {name: mlp, hidden: [4], width: 1.0}
training:
  epochs: 1
  batch_size: 256
  optimizer: {name: sgd, lr: {type: float, low: 2e-3, high: 0.4, log: true}}
  precision: float32
growth:
  budget: {width: 2.0}
  when:
    type: choice
    options:
      never: {}
      interval: {every: {type: int, low: 2, high: 4}, count: 1}
  how: {type: choice, options: {zero: {}, random: {scale: {type: float, low: 0.1, high: 1.0}}}}
search: {budget: {trials: 8}, pruner: none, race: none, lease: 2}
"""

PATIENCE = 240.0  # seconds, for machines that do other things
SERVER = "GROWSEARCH_TEST_POSTGRES"
MakeSpace = Callable[..., Space]
RunStub = Callable[..., dict[str, Any]]


@pytest.fixture
def space(tmp_path: Path) -> MakeSpace:
    """Write and load a file: the text above, or another, with overrides."""

    def make(*overrides: str, text: str = TEXT) -> Space:
        path = tmp_path / "space.yaml"
        path.write_text(text)
        return load_space(path, overrides)

    return make


@pytest.fixture
def run_stub(space: MakeSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStub:
    """Search with pretended training here; checked before the first trial if `checked`, with a race if `raced`."""

    def run(*overrides: str, text: str = TEXT, checked: bool = False, raced: bool = False) -> dict[str, Any]:
        overrides = overrides if raced else (*overrides, "search.race=none")
        if not checked:
            monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))
        return search(space(*overrides, text=text), tmp_path / "run", "cpu", 1, train=train)

    return run


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of an empty database on the server that `.ci/postgres` starts."""
    server = os.environ.get(SERVER)
    if server is None:
        pytest.skip(f"needs a PostgreSQL server: run .ci/postgres COMMAND, which sets {SERVER}")
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def proxy(postgres: str) -> Iterator[str]:
    """The address of a proxy before an empty database."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "growsearch", "proxy", "--storage", postgres, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f"grpc://localhost:{port} stands before postgresql://" in process.stderr.readline()
        wait_for(lambda: _listens(port))
        yield f"grpc://localhost:{port}"
        process.terminate()


@pytest.fixture(params=["journal", "postgres", "proxy"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty storage of each kind."""
    return str(tmp_path / "journal") if request.param == "journal" else str(request.getfixturevalue(request.param))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def heed_interrupts() -> None:
    """In a process that is about to start: programs started in the background ignore Ctrl-C, and so do their own."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(found: Callable[[], Any]) -> Any:
    """What `found` gives as soon as it gives something."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.05)
    raise TimeoutError


def dead_process() -> int:
    """The number of a process of this machine that is no more."""
    process = multiprocessing.get_context("fork").Process(target=os._exit, args=(0,))
    process.start()
    process.join()
    return process.pid or 0

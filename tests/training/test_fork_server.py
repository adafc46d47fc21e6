"""An interrupt while the server imports what its processes need: all processes of a terminal hear of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.search.conftest import heed_interrupts

PROGRAM = """
import pathlib, signal, sys, time
from growsearch.training.fork_server import forking

if __name__ == "__main__":
    handler = signal.getsignal(signal.SIGINT)
    forking(["takes_long"])
    assert signal.getsignal(signal.SIGINT) is handler
    try:
        pathlib.Path("ready").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit("interrupted")
"""
TAKES_LONG = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(0.5)
pathlib.Path("imported").touch()
"""


def test_an_interrupt_does_not_end_the_server_with_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "takes_long.py").write_text(TAKES_LONG)
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(tmp_path)])
    program = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    until = time.monotonic() + 60
    while not all((tmp_path / each).exists() for each in ("importing", "ready")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)
    _, told = program.communicate(timeout=60)  # the server has this pipe, too: until both have ended
    assert told == "interrupted\n"
    assert (tmp_path / "imported").exists()

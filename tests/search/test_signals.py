"""A worker that is told to stop twice within a moment, as Ctrl-C and then its parent do, stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import itertools, os, signal, sys
from growsearch.search.local import stopped_by_signals

def told_twice(line):
    "Told to stop, and told again when that many lines have dealt with it; whether there were so many."
    stop, lines = stopped_by_signals(), 0

    def count(frame, event, argument):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == line:
                signal.raise_signal(signal.SIGTERM)
        return count

    signal.alarm(10)  # seconds until a process that stands still is killed
    sys.settrace(lambda frame, event, argument: count)
    signal.raise_signal(signal.SIGINT)
    sys.settrace(None)
    assert stop.wait(60)
    return lines >= line

for line in itertools.count(1):
    child = os.fork()
    if not child:
        os._exit(told_twice(line))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        sys.exit(f"stood still after line {line}")
    if not os.waitstatus_to_exitcode(status):
        break
print(line)
"""


def test_a_second_signal_at_any_line_of_the_first_ones_handling_does_not_make_the_worker_stand_still() -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)

    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 1

"""The processes of a command that is to be killed: forked, hit, and looked for afterwards."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

PATIENCE = 180.0  # seconds that a command which was told to end is given


class Command:
    """The program growsearch in a session of its own; all its processes are in one process group.

    It is forked from this process, which has imported all of it already: a start is then cheap, and a kill at a random
    moment rarely hits an import.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        sys.stdout.flush()
        self.started = time.time()
        self._process = os.fork()
        self._code: int | None = None
        if self._process == 0:
            _be(arguments, log)

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None:
            found, status = os.waitpid(self._process, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if found else None
        return self._code

    def below(self) -> list[int]:
        """Every process that the command has started: workers, the server that forks them, the resource tracker."""
        return [process for process in _group(self._process) if process != self._process]

    def kill_group(self) -> None:
        """Kill the command and all that it has started, as a power cut does."""
        self._to_group(signal.SIGKILL)
        self.ends()

    def kill_parent(self) -> None:
        """Kill the command alone: what it has started is to notice."""
        os.kill(self._process, signal.SIGKILL)
        self.ends()

    def kill_below(self, process: int) -> None:
        """Kill one of the processes that it has started."""
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def interrupt(self) -> None:
        """Interrupt the whole group, as Ctrl-C does."""
        self._to_group(signal.SIGINT)

    def terminate(self) -> None:
        """Tell the command to end, as a cluster does."""
        os.kill(self._process, signal.SIGTERM)

    def ends(self) -> bool:
        """Wait for it to end; whether it did in time."""
        until = time.monotonic() + PATIENCE
        while self.code is None:
            if time.monotonic() > until:
                self._to_group(signal.SIGKILL)
                os.waitpid(self._process, 0)
                self._code = -signal.SIGKILL
                return False
            time.sleep(0.05)
        return True

    def leaves_running(self) -> bool:
        """Whether something that it has started goes on after its end, for longer than a moment."""
        until = time.monotonic() + PATIENCE
        while _group(self._process):
            if time.monotonic() > until:
                self._to_group(signal.SIGKILL)
                return True
            time.sleep(0.1)
        return False

    def _to_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process, number)


def _be(arguments: list[str], log: Path) -> None:
    """Become the command, and end with it."""
    code = 1
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["growsearch", *arguments]
        from growsearch.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        _end_workers()
        sys.stdout.flush()
        os._exit(code)


def _end_workers() -> None:
    """What Python does at the end of a program, which a fork leaves without calling it."""
    from multiprocessing.util import _exit_function  # type: ignore[attr-defined]

    _exit_function()


def _group(leader: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found)

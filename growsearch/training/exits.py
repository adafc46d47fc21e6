"""How a process has ended."""

from __future__ import annotations

import signal


def exit_words(code: int | None) -> str:
    """Return the exit code of a process in words."""
    if code is not None and code < 0:
        hint = ", perhaps because memory ran out" if -code == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}"
    return f"exit code {code}"

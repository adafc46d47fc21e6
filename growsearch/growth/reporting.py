"""How far a strategy has come that works for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

Report = Callable[[int, int, str], None]
"""`report(done, total, what)`: `done` of `total` parts of `what` are done."""

INTERVAL = 0.1
"""Seconds from one line on the terminal to the next."""


def silent(done: int, total: int, what: str) -> None:
    """Say nothing."""


def on_terminal(done: int, total: int, what: str) -> None:
    """Keep one line on standard error up to date, and take it away at the end; nothing where that is no terminal.

    It holds no thread and no state of the terminal, so that bars of the loop around (tqdm's, rich's) go on.
    """
    line = _line()
    if line.console.is_terminal:
        line.show(done, total, what)


class _Line:
    def __init__(self) -> None:
        from rich.console import Console  # a run of the command line says nothing here

        self.console = Console(stderr=True)
        self._next = 0.0

    def show(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done < total and now < self._next:
            return
        from rich.control import Control
        from rich.segment import ControlType

        self._next = now + INTERVAL
        self.console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        if done < total:
            text = f"{what}, {done} of {total}"[: self.console.width - 1]
            self.console.print(text, end="", markup=False, highlight=False)


@cache
def _line() -> _Line:
    return _Line()

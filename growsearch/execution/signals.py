"""What a process does when it is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def terminated_as_interrupted() -> Generator[None]:
    """While inside, being told to end raises `KeyboardInterrupt`, as Ctrl-C does; only the main thread hears of it.

    A cluster tells a job so before it takes the machine away: workers are ended, and what is finished is kept.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

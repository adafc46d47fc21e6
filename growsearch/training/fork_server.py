"""The server from which processes are forked that train or search."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not every system has them
    from multiprocessing.context import ForkServerContext, SpawnContext


def forking(imported: Sequence[str]) -> ForkServerContext | SpawnContext:
    """Processes are forked from a server that imports some modules once for all of them, where the system has that.

    An interrupt, which a terminal sends to all processes, would end the server with a traceback as long as it imports.
    So it ignores interrupts, and so do processes that are forked from it, until they say otherwise.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(imported))
    main = threading.current_thread() is threading.main_thread()  # no other one may say what signals do
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        forkserver.ensure_running()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return context

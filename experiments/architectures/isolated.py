"""An architecture in a process of its own, with limits of time and memory.

Processes are forked from one that has imported the libraries, which takes longer than most of the work.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from .catalogue import catalogue
from .trial import try_architecture

SECONDS = 300
BYTES = 6 << 30


def preload() -> None:
    """Name what the server that forks imports; call it before the first process."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])


def result_of(name: str) -> dict[str, Any]:
    """What `try_architecture` found, as a dict; "no result" with the reason where it was stopped or could not run."""
    try:
        return _call(_try, name)
    except (TimeoutError, EOFError) as error:
        return {"outcome": "no result", "reason": str(error) or "the process was killed"}


def _call(function: Callable[[Connection, str], None], name: str) -> dict[str, Any]:
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(sender, name))
    process.start()
    sender.close()
    try:
        if not receiver.poll(SECONDS):
            raise TimeoutError(f"over {SECONDS} seconds")
        found: dict[str, Any] = receiver.recv()
        return found
    finally:
        process.kill()
        process.join()


def _try(sender: Connection, name: str) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
    torch.set_num_threads(1)
    architecture = catalogue()[name]
    kind = {"source": architecture.source, "family": architecture.family}
    try:
        sender.send({**kind, **dataclasses.asdict(try_architecture(architecture))})
    except Exception as error:  # the network itself cannot be built or run: an entry of the catalogue to mend
        sender.send({**kind, "outcome": "no result", "reason": f"{type(error).__name__}: {error}"[:300]})

"""A run in several processes, one a device: started, watched, and all ended when one of them ends before its time."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from growsearch.errors import GrowsearchError
from growsearch.growth.ranks.channel import Channel
from growsearch.runs.events import Progress, RunEvent
from growsearch.training.exits import exit_words
from growsearch.training.fork_server import forking
from growsearch.training.world import Ranks, World

Result = TypeVar("Result")
Work = Callable[[World, str, Progress], Result]
"""Called with the world, the device and who is told, in every process; it has to be picklable."""

_IMPORTED = ["torch._dynamo", __name__, "growsearch.training.one_run"]  # all that takes long, once for all processes
_PATIENCE = 3.0  # seconds in which all processes say why they end, once the first one has
_FOREVER = timedelta(days=365)  # others wait for an event as long as it takes; that a process is gone is seen otherwise


class RankFailed(RuntimeError):
    """One process of a run on several devices has died, or something was raised in it that is no `GrowsearchError`."""


class _InRank(Exception):
    """Where in another process an error was raised."""


@dataclass(frozen=True)
class _Told:
    """What the first process tells."""

    event: RunEvent


@dataclass(frozen=True)
class _Done:
    """Last message of a process."""

    result: Any


@dataclass(frozen=True)
class _Raised:
    """Last message of a process that cannot go on; `when` is on the clock that all of them share."""

    when: float
    error: GrowsearchError | None
    words: str
    trace: str


def run_in_ranks(work: Work[Result], size: int, device: str, threads: int, progress: Progress) -> Result:
    """Run `work` in `size` processes that train together; what it returns in the first one.

    On CUDA each has a device of its own and they speak NCCL; on the CPU gloo. They end with this process, however that
    ends. Raises the `GrowsearchError` that a process has raised first, and `RankFailed`, which names the process, for
    anything else; then all of them have ended.

    Args:
        work: what each of them does.
        size: how many.
        device: "cpu" or "cuda".
        threads: CPU threads of each.
        progress: is told what happens in the first one.
    """
    pipes = [Pipe(duplex=False) for _ in range(size)]
    readers, writers = [one for one, _ in pipes], [other for _, other in pipes]
    processes: Sequence[BaseProcess] = ()
    with tempfile.TemporaryDirectory(prefix="growsearch-") as folder:
        content = pickle.dumps(work)
        try:
            starting: Any = mp  # its functions have no types
            processes = starting.start_processes(
                _rank,
                (size, os.path.join(folder, "store"), device, threads, writers, content),
                nprocs=size,
                join=False,
                daemon=True,
                start_method=forking(_IMPORTED).get_start_method(),  # the server has no threads and no CUDA
            ).processes
            for writer in writers:
                writer.close()
            return cast("Result", _watched(readers, processes, progress))
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
            for reader in readers:
                reader.close()


def _watched(readers: Sequence[Connection], processes: Sequence[BaseProcess], progress: Progress) -> Any:
    """Listen to all processes until each has done its work; the first one's result."""
    waiting = {reader: rank for rank, reader in enumerate(readers)}
    done: dict[int, Any] = {}
    raised: dict[int, _Raised] = {}
    until: float | None = None
    while waiting:
        ready = wait(list(waiting), None if until is None else max(0.0, until - time.monotonic()))
        if not ready:
            break
        for reader in cast("list[Connection]", ready):
            rank = waiting[reader]
            message = _next(reader)
            if isinstance(message, _Told):
                progress(message.event)
                continue
            del waiting[reader]
            if isinstance(message, _Done):
                done[rank] = message.result
            elif message is not None:
                raised[rank] = message
                until = until or time.monotonic() + _PATIENCE
            elif why := _death(processes[rank], beside=bool(raised)):
                raise RankFailed(f"rank {rank} of {len(readers)} died ({why}), which ends the run in all of them")
    if raised:
        _raise_first(raised, len(readers))
    return done[0]


def _next(reader: Connection) -> _Told | _Done | _Raised | None:
    """What a process says next; None when it has died."""
    try:
        message: _Told | _Done | _Raised = pickle.loads(reader.recv_bytes())
    except (EOFError, OSError):
        return None
    return message


def _death(process: BaseProcess, beside: bool) -> str | None:
    """Why a process has died; None where that only follows from an error of another one, which NCCL takes for its own.

    `beside`: whether there is such an error.
    """
    process.join(_PATIENCE)
    code = process.exitcode
    return None if beside and code == -signal.SIGABRT else exit_words(code)


def _raise_first(raised: dict[int, _Raised], size: int) -> None:
    """Raise what went wrong first: the others have only missed that process."""
    rank, first = min(raised.items(), key=lambda item: item[1].when)
    origin = _InRank(f"\n{first.trace}")
    if first.error is not None:
        raise first.error from origin
    raise RankFailed(f"rank {rank} of {size} failed, which ends the run in all of them: {first.words}") from origin


def _rank(
    rank: int,
    size: int,
    store: str,
    device: str,
    threads: int,
    writers: Sequence[Connection],
    content: bytes,
) -> None:
    """Main function of a process.

    Args:
        rank: of the process.
        size: how many there are.
        store: a file by which they find each other.
        device: "cpu" or "cuda".
        threads: of this process.
        writers: to the process that has started them; its own is the one at `rank`.
        content: the work.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once, even where it waits for the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for writer in (*writers[:rank], *writers[rank + 1 :]):
        writer.close()
    own = writers[rank]
    torch.set_num_threads(threads)
    if rank > 0:
        warnings.simplefilter("ignore")  # the first process says it
    place = f"cuda:{rank}" if device.startswith("cuda") else device
    try:
        _join(rank, size, store, place)
        assert dist.group.WORLD is not None
        world = Ranks(rank, size, Channel(dist.group.WORLD, torch.device(place)))
        work: Work[Any] = pickle.loads(content)
        result = work(world, place, _telling(own) if rank == 0 else _silent)
    except Exception as error:
        _tell(own, _report(error))
        own.close()
        return
    _tell(own, _Done(result if rank == 0 else None))
    dist.destroy_process_group()


def _end_with_parent() -> None:
    """End this process when the one that has started it has ended, however that happened."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _join(rank: int, size: int, store: str, place: str) -> None:
    """Make the group of all processes.

    Args:
        rank: of this one.
        size: how many there are.
        store: a file by which they find each other.
        place: the device of this one.
    """
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    if loopback is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    backend = "gloo"
    if place.startswith("cuda"):
        torch.cuda.set_device(place)
        backend = "nccl"
    dist.init_process_group(backend, init_method=Path(store).as_uri(), rank=rank, world_size=size, timeout=_FOREVER)


def _report(error: Exception) -> _Raised:
    expected = isinstance(error, GrowsearchError)
    words = f"{type(error).__name__}: {error}"
    return _Raised(
        time.monotonic(), cast("GrowsearchError", error) if expected else None, words, traceback.format_exc()
    )


def _telling(connection: Connection) -> Progress:
    return lambda event: _tell(connection, _Told(event))


def _tell(connection: Connection, message: _Told | _Done | _Raised) -> None:
    """Send to the parent, tensors by value; where it is gone, this process ends without a word."""
    try:
        connection.send_bytes(pickle.dumps(message))
    except ConnectionError:
        raise SystemExit(1) from None


def _silent(event: RunEvent) -> None:
    """The first process tells it."""

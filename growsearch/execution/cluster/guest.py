"""What happens on a node: see that it can do what the driver asks, do it, and tell.

Everything here is called by Ray in processes of their own, one for each call.
"""

from __future__ import annotations

import os
import pickle
import platform
import socket
import sys
import threading
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from growsearch.errors import DamageWarning
from growsearch.execution.environment import core_count, package_versions, processor
from growsearch.execution.job import Failure, Job, OfRun, execute
from growsearch.runs.events import RowDone, StepDone
from growsearch.training.threads import threads
from growsearch.writing import make_folder, writing

_SELDOM = 1.0  # seconds between two tellings of a step
_LOOK = 1.0  # seconds between two looks at whether anybody waits for an attempt


@dataclass(frozen=True)
class Setting:
    """The driver's surroundings, which a node has to have too: versions, and the run folder."""

    versions: tuple[tuple[str, str | None], ...]
    folder: Path
    mark: str
    path: tuple[str, ...]
    here: str


@dataclass(frozen=True)
class Began:
    """A node has begun an attempt."""

    attempt: int
    node: str


@dataclass(frozen=True)
class Told:
    """What a run told, in an attempt."""

    attempt: int
    of_run: OfRun


@dataclass(frozen=True)
class Warned:
    """A warning of an attempt."""

    words: str


Message = Began | Told | Warned


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended on a node: `unfit` says why the node cannot do it, `failure` why the run failed.

    `stepped` tells whether the run was trained for a step, or had been.
    """

    node: str
    host: str
    hardware: str
    failure: Failure | None = None
    unfit: str | None = None
    stepped: bool = False


class Mailbox:
    """An actor beside the driver that keeps what attempts tell until it is fetched.

    Attempts end where it is gone: with the driver, or because that waits for nothing any more. Ray's own `cancel` is
    not used: where a task ends at the same moment, it brings the driver down ("Tried to complete task that was not
    pending", Ray 2.60).
    """

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._begun: set[int] = set()
        self._withdrawn: set[int] = set()

    def begin(self, number: int, node: str) -> bool:
        """Whether an attempt may begin: it has not been withdrawn."""
        if number in self._withdrawn:
            return False
        self._begun.add(number)
        self._messages.append(Began(number, node))
        return True

    def withdraw(self, number: int) -> bool:
        """Whether an attempt will never begin: it had not begun yet."""
        if number in self._begun:
            return False
        self._withdrawn.add(number)
        return True

    def put(self, message: Message) -> None:
        """Keep a message."""
        self._messages.append(message)

    def settle(self) -> None:
        """Return when all that the caller has sent before is kept: messages of one sender come in their order."""

    def take(self) -> list[Message]:
        """What came since the last call."""
        taken, self._messages = self._messages, []
        return taken


@contextmanager
def surroundings(folder: Path) -> Generator[Setting]:
    """What a node has to have as this process does; while inside, the run folder has a mark that nodes look for."""
    here = os.getcwd()
    mark = folder / f".driver-{os.getpid()}-{time.time_ns()}"
    with writing(mark):
        make_folder(folder)
        mark.touch()
    try:
        paths = tuple(str(Path(here, entry)) for entry in sys.path)
        yield Setting(_versions(), folder.resolve(), mark.name, paths, here)
    finally:
        mark.unlink(missing_ok=True)


def attempt(number: int, pickled: bytes, setting: Setting, count: int, mailbox: Any) -> Outcome:
    """Run a job to its end, from its checkpoint where there is one, with `count` threads.

    Args:
        number: of the attempt, which messages bear.
        pickled: the job.
        setting: the driver's.
        count: of CPU threads.
        mailbox: of the driver.
    """
    import ray

    outcome = arrived(setting)
    if outcome.unfit is not None:
        return outcome
    if not ray.get(mailbox.begin.remote(number, outcome.node)):
        return outcome
    threading.Thread(target=_end_without, args=(mailbox,), daemon=True).start()
    job: Job = pickle.loads(pickled)
    teller = _Teller(number, mailbox)
    with threads(count), warnings.catch_warnings():
        warnings.simplefilter("always", DamageWarning)
        warnings.showwarning = teller.warn
        failure = execute(job, teller)
    ray.get(mailbox.settle.remote())
    return Outcome(outcome.node, outcome.host, outcome.hardware, failure, stepped=teller.stepped)


def _end_without(mailbox: Any) -> None:
    """End this process when the mailbox is gone, in the middle of whatever it does: there are checkpoints."""
    import ray

    while True:
        time.sleep(_LOOK)
        try:
            ray.get(mailbox.settle.remote())
        except ray.exceptions.ActorDiedError:
            os._exit(1)
        except ray.exceptions.RayError:  # it does not answer just now
            continue


def arrived(setting: Setting) -> Outcome:
    """Become like the driver's process as far as imports go; what this node is, and why it cannot be used."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    if os.path.isdir(setting.here):
        os.chdir(setting.here)
    sys.path += [entry for entry in setting.path if entry not in sys.path]
    return Outcome(node, socket.gethostname(), hardware(), unfit=_unfit(setting))


def hardware() -> str:
    """What computes here, in words."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{processor()}, {core_count()} cores{gpu}"


def _unfit(setting: Setting) -> str | None:
    own, theirs = dict(_versions()), dict(setting.versions)
    differing = [f"{name} {own[name]} (the driver has {theirs[name]})" for name in theirs if own[name] != theirs[name]]
    if differing:
        return f"it has {', '.join(differing)}: install the same versions on every node"
    if not (setting.folder / setting.mark).exists():
        return f"the run folder {setting.folder} is not there: put it on a file system that all nodes share"
    return None


def _versions() -> tuple[tuple[str, str | None], ...]:
    versions = package_versions()
    return ("python", platform.python_version()), *((name, versions[name]) for name in ("growsearch", "torch", "numpy"))


class _Teller:
    """Sends what a run tells to the driver, steps but now and then."""

    def __init__(self, number: int, mailbox: Any) -> None:
        self._number, self._mailbox = number, mailbox
        self._last = 0.0
        self.stepped = False

    def __call__(self, told: Any) -> None:
        self.stepped = self.stepped or isinstance(told.event, StepDone | RowDone)
        if isinstance(told.event, StepDone):
            now = time.monotonic()
            if now - self._last < _SELDOM:
                return
            self._last = now
        self._mailbox.put.remote(Told(self._number, told))

    def warn(self, message: Warning | str, *others: Any, **named: Any) -> None:
        """In the place of `warnings.showwarning`."""
        self._mailbox.put.remote(Warned(str(message)))

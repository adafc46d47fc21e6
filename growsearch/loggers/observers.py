"""Loggers beside a training: each in a thread of its own, so that none can change, hold up or end it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any, Self

from growsearch.errors import GrowsearchError, InputError
from growsearch.installing import command_for_extra
from growsearch.loggers.base import LoggedRun, Logger
from growsearch.registry import lookup
from growsearch.runs.events import Grew, Progress, RowDone, RunEvent
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult

_PATIENCE = 30.0  # seconds that a logger is waited for, at the beginning and at the end


def check_loggers(names: Sequence[str]) -> None:
    """Raise `InputError` unless all loggers are known and their packages are installed."""
    for name in names:
        logger: Any = lookup("loggers", name)
        absent = [package for package in logger.needs if find_spec(package) is None]
        if absent:
            raise InputError(
                f"logger {name} needs {' and '.join(absent)}, not installed here: {command_for_extra(logger.extra)}"
            )


Content = MetricsRow | GrowthLine | RunResult


class Observers:
    """The `progress` of a run that also tells its loggers; a context that ends them."""

    def __init__(self, names: Sequence[str], run: LoggedRun, progress: Progress) -> None:
        self._progress = progress
        self._channels = [_Channel(name, run) for name in dict.fromkeys(names)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for channel in self._channels:
            channel.close()

    def begin(self, rows: Sequence[MetricsRow], events: Sequence[GrowthLine]) -> None:
        """What the run has written before; waits until the loggers are made, so that training does not pay for it."""
        for channel in self._channels:
            channel.wait()
        written: list[GrowthLine | MetricsRow] = [*events, *rows]
        for line in sorted(written, key=lambda one: one.step):
            self._tell(line)

    def __call__(self, event: RunEvent) -> None:
        """Tell the loggers of a row or a growth event, and pass every event on."""
        match event:
            case RowDone(row):
                self._tell(row)
            case Grew(line):
                self._tell(line)
        self._progress(event)

    def finish(self, result: RunResult) -> None:
        """Tell the loggers of the result."""
        self._tell(result)

    def _tell(self, content: Content) -> None:
        for channel in self._channels:
            channel.send(content)


class _Channel:
    """A logger in its thread, and whether it still works."""

    def __init__(self, name: str, run: LoggedRun) -> None:
        self._name = name
        self._calls: SimpleQueue[Content | None] = SimpleQueue()
        self._made = threading.Event()
        self._failure: Exception | None = None
        self._warned = False
        self._thread = threading.Thread(target=self._work, args=(run,), name=f"logger {name}", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._made.wait(_PATIENCE)

    def send(self, content: Content) -> None:
        if self._failure is None:
            self._calls.put(content)
        else:
            self._warn(self._failure)

    def close(self) -> None:
        self._calls.put(None)
        self._thread.join(_PATIENCE if self._made.is_set() else 0)  # one that was waited for in vain is not again
        if self._thread.is_alive():
            self._warn(GrowsearchError(f"no answer for {_PATIENCE:g} s"))
        elif self._failure is not None:
            self._warn(self._failure)

    def _work(self, run: LoggedRun) -> None:
        try:
            logger: Logger = lookup("loggers", self._name)(run)
            self._made.set()
            try:
                while (content := self._calls.get()) is not None:
                    _log(logger, content)
            finally:
                logger.close()
        except Exception as error:
            self._failure = error
        finally:
            self._made.set()

    def _warn(self, error: Exception) -> None:
        """Say it once; the training goes on."""
        if not self._warned:
            self._warned = True
            first = next(iter(str(error).splitlines()), "")
            warnings.warn(
                f"logger {self._name} failed, and the training goes on without it: {type(error).__name__}: {first}",
                RuntimeWarning,
                stacklevel=2,
            )


def _log(logger: Logger, content: Content) -> None:
    match content:
        case MetricsRow():
            logger.row(content)
        case GrowthLine():
            logger.growth(content)
        case RunResult():
            logger.finish(content)

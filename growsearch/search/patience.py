"""A storage that waits for a database which is away for a while: restarted, or cut off."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from optuna.storages import BaseStorage

from growsearch.errors import GrowsearchError

PATIENCE = 120.0  # seconds
_FIRST, _LONGEST = 0.1, 5.0  # seconds between attempts
_ONCE = ("create_new_study", "create_new_trial")  # repeated, they could make two where the first answer was lost


class StorageLost(GrowsearchError):
    """The storage of a study could not be reached for long."""


def in_a_line(error: BaseException) -> str:
    """The first line of what a database driver or gRPC said, which libraries wrap in errors of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(getattr(error, "details", lambda: error)()).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that a database or proxy cannot be reached now, rather than that it refused something."""
    while error is not None:
        if _is_lost_connection(error):
            return True
        error = error.__cause__
    return False


def _is_lost_connection(error: BaseException) -> bool:
    sqlalchemy, grpc = sys.modules.get("sqlalchemy.exc"), sys.modules.get("grpc")
    if sqlalchemy is not None and isinstance(error, sqlalchemy.OperationalError | sqlalchemy.InterfaceError):
        return True
    if grpc is not None and isinstance(error, grpc.RpcError):
        return bool(error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED))
    return False


def make_patient(storage: BaseStorage, name: str) -> BaseStorage:
    """The same storage, whose calls are repeated while it cannot be reached; they raise `StorageLost` after `PATIENCE`.

    What makes something new is tried once only. A change whose answer was lost on the way is harmless to repeat: a
    trial that was already finished says so when it is finished again.
    """
    for method in [one for one in vars(BaseStorage) if not one.startswith("_")]:
        setattr(storage, method, _patient(getattr(storage, method), name, 0.0 if method in _ONCE else PATIENCE))
    return storage


def _patient(call: Callable[..., Any], name: str, patience: float) -> Callable[..., Any]:
    @wraps(call)
    def persist(*arguments: Any, **named: Any) -> Any:
        pause, until = _FIRST, time.monotonic() + patience
        while True:
            try:
                return call(*arguments, **named)
            except Exception as error:
                if not is_away(error):
                    raise
                if time.monotonic() + pause > until:
                    raise StorageLost(
                        f"storage {name}: cannot be reached: {in_a_line(error)}; what is finished is kept: "
                        "run the same again when it is back"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    return persist

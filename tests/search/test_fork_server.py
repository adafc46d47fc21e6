"""The server that forks workers is killed: workers stop with a checkpoint, others are started by a new server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from growsearch.errors import GrowsearchError
from growsearch.search import local


def test_a_worker_is_started_again_where_its_server_dies_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def started(_: Any, number: int) -> str:
        tried.append(number)
        if len(tried) < 3:
            raise EOFError if len(tried) == 1 else ConnectionRefusedError
        return "worker"

    monkeypatch.setattr(local, "_started", started)
    monkeypatch.setattr(local, "_LOOK", 0.0)

    assert local._start(None, 1) == "worker"  # type: ignore[arg-type, comparison-overlap]
    assert tried == [1, 1, 1]


def test_other_reasons_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def started(_: Any, number: int) -> str:
        tried.append(number)
        raise GrowsearchError("no memory")

    monkeypatch.setattr(local, "_started", started)

    with pytest.raises(GrowsearchError, match="no memory"):
        local._start(None, 0)  # type: ignore[arg-type]
    assert tried == [0]


class Living:
    """A parent that lives on, while the process above this one changes at the second look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        monkeypatch.setattr(local.multiprocessing, "parent_process", lambda: self)
        monkeypatch.setattr(local.os, "getppid", lambda: 1 if self.looks == 2 else 7)

    def is_alive(self) -> bool:
        return True

    def join(self, timeout: float | None = None) -> None:
        self.looks += 1
        assert self.looks < 3


def test_a_worker_stops_where_the_server_that_forked_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, stop = Living(monkeypatch), threading.Event()

    local._follow_parent(stop)

    assert stop.is_set()
    assert parent.looks == 2

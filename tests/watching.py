"""What a watcher was told, sorted out."""

from __future__ import annotations

from collections.abc import Iterable

from growsearch.execution.job import OfRun
from growsearch.runs.events import JobsStarted

Told = JobsStarted | OfRun


def of_kind(told: Iterable[Told], *kinds: type) -> list[OfRun]:
    """What runs told of these kinds."""
    return [one for one in told if isinstance(one, OfRun) and isinstance(one.event, kinds)]


def is_kind(told: Told, kind: type) -> bool:
    """Whether a run told this."""
    return isinstance(told, OfRun) and isinstance(told.event, kind)

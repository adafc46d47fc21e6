"""Never grow."""

from __future__ import annotations

from typing import ClassVar

from growsearch.growth import Progress, Scheduler


class Never(Scheduler):
    """The network keeps its size: the control."""

    summary: ClassVar[str] = "the network keeps its size"
    source: ClassVar[str] = "control"

    def due(self, progress: Progress) -> bool:
        return False

    def events_left(self, progress: Progress) -> int | None:
        return 0

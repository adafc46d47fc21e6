"""A run that does nothing; in a module of its own, which other processes import."""

from __future__ import annotations

from dataclasses import dataclass

from growsearch.execution.job import Job
from growsearch.runs.events import Progress, RunStarted, StepDone


@dataclass(frozen=True, kw_only=True)
class EmptyJob(Job):
    """Tells as much as the shortest run, and leaves a note that it was begun."""

    def run(self, progress: Progress) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "begun").open("a") as note:
            note.write("once\n")
        progress(RunStarted(0, 1))
        progress(StepDone(1, 1))

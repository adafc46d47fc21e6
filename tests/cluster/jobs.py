"""Jobs that do as they are told, and leave a note of every attempt."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from growsearch.config import RunConfig
from growsearch.execution.job import Job
from growsearch.runs.events import Progress, RunStarted, StepDone
from growsearch.runs.records import RunResult
from tests.search.stub import train


@dataclass(frozen=True, kw_only=True)
class ToldJob(Job):
    """`deaths` times it kills its process; where it is `picky`, it fails at once on the node that was tried first;
    where the disk is `full`, it cannot write.

    Then it waits for `seconds`. Its folder has a file for every attempt, with the node's name.
    """

    deaths: int = 0
    picky: bool = False
    full: bool = False
    seconds: float = 0.0

    def run(self, progress: Progress) -> None:
        import ray

        self.folder.mkdir(parents=True, exist_ok=True)
        node = ray.get_runtime_context().get_node_id()
        attempts = sorted(self.folder.glob("attempt-*"))
        (self.folder / f"attempt-{len(attempts)}").write_text(node)
        progress(RunStarted(0, 10))
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.picky and node == self._bad(node):
            raise RuntimeError("the driver of this node is broken")
        if len(attempts) < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        progress(StepDone(1, 10))
        time.sleep(self.seconds)
        (self.folder / "done").touch()

    def _bad(self, node: str) -> str:
        """The node on which any job of this kind began first."""
        note = self.folder.parent / "bad"
        if not note.exists():
            note.write_text(node)
        return note.read_text()


def hungry_train(config: RunConfig, seed: int, folder: Path, device: str, progress: Progress) -> RunResult:
    """The pretended training of the tests of searches, but the second trial needs more memory than there is."""
    if folder.parent.name == "1":
        raise MemoryError("cannot allocate 8 GB")
    return train(config, seed, folder, device, progress)


def deadly_train(config: RunConfig, seed: int, folder: Path, device: str, progress: Progress) -> RunResult:
    """The pretended training of the tests of searches; the first worker that begins one is killed."""
    note = folder.parents[2] / "killed"
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return train(config, seed, folder, device, progress)

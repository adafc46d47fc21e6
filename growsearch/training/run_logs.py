"""The logs of a run in the making; where several processes train it, the first one alone writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from growsearch.runs.layout import GROWTH, METRICS, RECOVERIES
from growsearch.runs.lines import LineLog, open_logs
from growsearch.training.world import World

_LOGS = (METRICS, GROWTH, RECOVERIES)


class RunLogs:
    """The files `metrics.jsonl`, `growth.jsonl` and `recoveries.jsonl` of a folder.

    Args:
        folder: of the run.
        sizes: of the files, in bytes, that a checkpoint knows of: what is behind is cut off.
        world: the processes that train it; in all but the first nothing happens.

    Raises `DamagedFile`, in all of them, where a file is shorter.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int], world: World) -> None:
        self._logs: dict[str, LineLog] = {}
        world.first(lambda: self._open(folder, sizes))

    def _open(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self._logs = open_logs(folder, _LOGS, sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {name: log.size for name, log in self._logs.items()}

    def append(self, name: str, line: Mapping[str, Any]) -> None:
        """Write a line."""
        if name in self._logs:
            self._logs[name].append(line)

    def sync(self) -> None:
        """Force what was written to the disk, before a checkpoint counts on it."""
        for log in self._logs.values():
            log.sync()

    def close(self) -> None:
        """Close the files."""
        for log in self._logs.values():
            log.close()

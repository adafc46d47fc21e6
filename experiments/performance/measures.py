"""What a row measures, and how."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Pair = Mapping[str, float]
"""What one repeat of a row found, by name; `value` is what the row is about."""


@dataclass
class Row:
    """A line of the table: what is measured in pairs, and its target, at most `limit` (or at least, where `more`).

    What is done once, by its first pair, is left out where that is `warmed`.
    """

    name: str
    what: str
    unit: str
    limit: float
    pair: Callable[[], Pair]
    more: bool = False
    warmed: bool = False
    pairs: list[Pair] = field(default_factory=list)
    failed: str = ""

    def repeat(self) -> None:
        """Measure once more; what cannot be measured is said, not left out."""
        try:
            if self.warmed and not self.pairs:
                self.pair()
            self.pairs.append(self.pair())
        except ModuleNotFoundError as error:
            self.failed = f"not measured: {error}"

    def found(self) -> dict[str, object]:
        """Medians and ranges of everything that was measured."""
        if not self.pairs:
            return {"what": self.what, "failed": self.failed}
        each = {key: [pair[key] for pair in self.pairs] for key in self.pairs[0]}
        return {
            "what": self.what,
            "unit": self.unit,
            "limit": self.limit,
            "at_least": self.more,
            "repeats": len(self.pairs),
            **{key: [_short(f(values)) for f in (statistics.median, min, max)] for key, values in each.items()},
        }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def both_clocks(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the wall clock and of the processor that `work` takes in this process."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def command(*arguments: str, folder: Path | None = None) -> tuple[float, float]:
    """The same of a Python process with one thread, whose modules are compiled, as they are from the second time on."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "compiled"))}

    def work() -> None:
        program = [sys.executable, *arguments]
        done = subprocess.run(program, capture_output=True, text=True, cwd=folder, env=environment)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, _ = both_clocks(work)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

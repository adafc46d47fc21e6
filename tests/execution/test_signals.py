"""Being told to end is an interrupt: of a comparison too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from growsearch.comparison import compare
from growsearch.config import RunConfig
from growsearch.execution.signals import terminated_as_interrupted
from growsearch.runs.events import RunFinished
from tests.watching import Told, is_kind


def test_a_comparison_that_is_told_to_end_is_interrupted(comparison: Callable[..., RunConfig], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def end(told: Told) -> None:
        if is_kind(told, RunFinished):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        compare(comparison(seeds=2), tmp_path / "run", "cpu", workers=1, progress=end)

    assert len(list((tmp_path / "run").rglob("result.json"))) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with terminated_as_interrupted():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [before]

"""What a search says on the terminal: every trial at the end, and the time that is left from the first steps on."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest

from growsearch.cli.search import _ranked
from growsearch.cli.search_table import SearchProgress, share_done
from growsearch.search.leases import LEASE


def test_every_trial_is_in_the_final_table_the_best_first() -> None:
    def trial(number: int, state: str, value: float | None, feasible: bool | None = True) -> dict[str, Any]:
        return {"number": number, "state": state, "values": None if value is None else [value], "feasible": feasible}

    trials = [
        trial(0, "pruned", None, None),
        trial(1, "complete", 0.8),
        trial(2, "complete", 0.95, feasible=False),
        trial(3, "complete", 0.9),
        trial(4, "fail", None, None),
        trial(5, "complete", 0.85),
    ]

    found = _ranked({"objectives": [{"maximize": "validation_accuracy"}], "best": [3], "trials": trials})

    assert found == [3, 5, 1, 2, 0, 4]


def running(seed: int, step: int, total: int | None) -> Any:
    return SimpleNamespace(user_attrs={LEASE: {"seed": seed, "step": step, "total_steps": total}})


def test_a_running_trial_is_done_as_far_as_its_seeds_and_steps() -> None:
    assert share_done(running(1, 50, 100), 4) == pytest.approx(0.375)
    assert share_done(running(0, 0, None), 4) == 0.0


def test_the_time_left_comes_from_the_trials_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    progress = SearchProgress("search")
    progress._console.file = stream
    search = SimpleNamespace(seeds=2)

    def now(*trials: Any) -> Any:
        return SimpleNamespace(finished=[], running=list(trials), wanted=10, search=search, runs=(), share=0.0)

    progress(now(running(0, 0, 100)))
    early = stream.getvalue()
    clock[0] += 60.0
    progress(now(running(0, 40, 100), running(1, 20, 100)))
    progress(now(running(0, 41, 100), running(1, 21, 100)))

    # 0.2 and 0.6 of a trial in 60 seconds: 9.2 are left, at 75 seconds each.
    assert early == ""
    assert stream.getvalue() == "about 12 min left, by the first steps of the trials, less what is pruned or reused\n"

"""What a search says on the terminal: every trial at the end, and the time that is left from the first steps on."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from growsearch.cli.search_table import SearchProgress, share_done
from growsearch.config import SearchBudget, SearchConfig
from growsearch.report.search_page import ranked_numbers
from growsearch.search.leases import LEASE
from growsearch.search.snapshot import Snapshot
from growsearch.search.study import RACE


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

    found = ranked_numbers({"objectives": [{"maximize": "validation_accuracy"}], "best": [3], "trials": trials})

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
        given = {"search": search, "budget": SearchBudget(trials=10)}
        return SimpleNamespace(finished=[], running=list(trials), wanted=10, runs=(), share=0.0, **given)

    progress(now(running(0, 0, 100)))
    early = stream.getvalue()
    clock[0] += 60.0  # in which workers start
    progress(now(running(0, 10, 100)))
    clock[0] += 60.0
    progress(now(running(0, 40, 100), running(1, 20, 100)))
    progress(now(running(0, 41, 100), running(1, 21, 100)))

    # From 0.05 to 0.2 and 0.6 of a trial in 60 seconds: 9.2 are left, at 80 seconds each.
    assert early == ""
    assert stream.getvalue() == "about 12 min left, by the first steps of the trials, less what is pruned or reused\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_something_is_said_before_the_workers_have_started(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    stream = io.StringIO()
    progress = SearchProgress("photos")
    progress._console.file = stream

    with progress:
        begun = stream.getvalue()

    assert "photos: starts" in begun
    assert ("\x1b" in begun) == terminal


def test_trials_that_the_race_takes_of_the_budget_are_said_first() -> None:
    stream = io.StringIO()
    progress = SearchProgress("search")
    progress._console.file = stream
    given = {"search": SimpleNamespace(seeds=1), "budget": SearchBudget(trials=16)}
    now: Any = SimpleNamespace(finished=[], running=[], wanted=12, runs=(), share=0.0, **given)

    progress(now)
    progress(now)

    assert stream.getvalue() == "4 of the 16 trials of the budget are kept for the race at the end\n"


def raced(number: int, trial: int, seed: int, loss: float | None) -> Any:
    state = TrialState.RUNNING if loss is None else TrialState.COMPLETE
    made = optuna.create_trial(state=state, value=loss, user_attrs={RACE: {"trial": trial, "seed": seed}})
    made.number = number
    return made


def test_the_race_is_shown_as_it_goes() -> None:
    standing = {
        "finished": False,
        "winner": 4,
        "seeds": [1000],
        "candidates": [
            {"trial": 4, "searched": 0.2, "values": [0.31], "mean": 0.31, "error": None, "probability": 0.75},
            {"trial": 7, "searched": 0.1, "values": [0.35], "mean": 0.35, "error": None, "probability": 0.25},
        ],
    }
    now = Snapshot(
        search=SearchConfig(),
        wanted=8,
        trials=(),
        best=(),
        budget=SearchBudget(trials=12),
        share=0.9,
        race=standing,
        runs=(raced(0, 4, 1000, 0.31), raced(1, 7, 1001, None)),
        most_runs=4,
    )
    stream = io.StringIO()
    progress = SearchProgress("search")
    progress._console.file = stream

    progress(replace(now, race=None, runs=()))
    progress(now)
    Console(file=stream, width=200).print(progress._screen(now))

    _, line, *screen = stream.getvalue().splitlines()
    assert line == "race [1, 4 at most] trial 4, seed 1000: validation_loss 0.3100"
    shown = "\n".join(screen)
    assert "race: 1 run of 4 at most done; now trial 7, seed 1001" in shown
    assert "0.31" in shown and "75%" in shown and "The race is not over." in shown

"""A search as it goes, on standard error: a live table, or a line for each trial where that is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from growsearch.number_format import plural, show_measure

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from growsearch.search.snapshot import Snapshot

_FIRST_SHARE = 0.02  # of a trial, after which its pace is believed
_SHOWN = 12  # running trials, and parameters of the best one


class SearchProgress:
    """A context that is called with the snapshots of a search."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet, highlight=False)
        self._name = name
        self._console = console
        self._live = Live(Text(f"{name}: starts"), console=console, transient=True, auto_refresh=False)
        self._began = time.monotonic()
        self._before: int | None = None
        self._said: set[int] = set()
        self._raced: set[int] = set()
        self._share = 0.0
        self._first: tuple[float, float] | None = None  # when steps were first seen, and how much was done by then
        self._estimated = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start(refresh=True)
        else:
            self._line(f"{self._name}: starts")
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, now: Snapshot) -> None:
        """Show a snapshot."""
        finished = now.finished
        if self._before is None:
            self._before = len(finished)
            self._said = {trial.number for trial in finished}
            self._raced = {run.number for run in now.runs if run.state.is_finished()}
            self._share = now.share
            if finished:
                self._line(f"{_of_wanted(len(finished), now)} are finished already and kept")
            if kept := _kept_for_the_race(now):
                self._line(f"{kept} of the {now.budget.trials} trials of the budget are kept for the race at the end")
        if self._console.is_terminal:
            self._live.update(self._screen(now), refresh=True)
            return
        if not self._estimated and (left := self._left(now)) is not None and now.running:
            self._estimated = True
            self._line(f"about {duration(left)} left, by the first steps of the trials, less what is pruned or reused")
        for trial in finished:
            if trial.number not in self._said:
                self._said.add(trial.number)
                place = f"{len(self._said)}/{now.wanted}" if now.wanted is not None else f"{now.share:.0%}"
                self._line(f"[{place}] trial {trial.number}: {outcome(now, trial)}")
        for run in now.runs:
            if run.state.is_finished() and run.number not in self._raced:
                self._raced.add(run.number)
                self._line(f"race [{len(self._raced)}, {now.most_runs} at most] {_run_of(run)}: {outcome(now, run)}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _screen(self, now: Snapshot) -> Group:
        from optuna.trial import TrialState

        counts = [_of_wanted(len(now.finished), now)]
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
            counts.append(f"{now.count(state)} {_WORDS[state.name]}")
        counts += [f"{now.reused} reused"] if now.reused else []
        lines = [Text(f"{self._name}: {', '.join(counts)}{self._pace(now)}", style="bold")]
        lines += [Text(f"best: trial {trial.number}, {describe(now, trial)}") for trial in now.best[:_SHOWN]]
        race = _race_of(now) if now.race else []
        return Group(*lines, *race, *([_running_table(now)] if now.running else []))

    def _pace(self, now: Snapshot) -> str:
        """Trials an hour since this program began, and what that leaves."""
        left = self._left(now)
        if left is None:
            return ""
        done = len(now.finished) - (self._before or 0)
        pace = f"{3600 * done / (time.monotonic() - self._began):,.0f} an hour, " if done else ""
        by = "" if done else ", by the first steps of the trials that run"
        return f"; {pace}about {duration(left)} left{by}"

    def _left(self, now: Snapshot) -> float | None:
        """Seconds left, by what was done since trials began: finished trials, and the running ones' own steps.

        What passes before the first steps, while workers start, is no part of the pace.
        """
        begun = sum(share_done(trial, now.search.seeds) for trial in now.running)
        done, enough, left = len(now.finished) + begun, _FIRST_SHARE, (now.wanted or 0) - len(now.finished) - begun
        if now.wanted is None:
            done, enough, left = now.share, _FIRST_SHARE / 10, 1 - now.share
        if self._first is None:
            before = self._share if now.wanted is None else self._before or 0
            self._first = (time.monotonic(), done) if done > before else None
            return None
        since, there = self._first
        if done - there < enough:
            return None
        return (time.monotonic() - since) / (done - there) * max(0.0, left)


def _kept_for_the_race(now: Snapshot) -> int:
    """How many of a budget's trials are not for the search itself."""
    return (now.budget.trials or 0) - now.wanted if now.wanted is not None else 0


def _of_wanted(finished: int, now: Snapshot) -> str:
    """How far the search is, in what its budget counts."""
    if now.wanted is not None:
        return f"{finished} of {now.wanted} trials"
    return f"{plural(finished, 'trial')}, with {now.share:.0%} of the {'FLOPs' if now.budget.flops else 'hours'},"


def _run_of(run: FrozenTrial) -> str:
    from growsearch.search.study import RACE

    return f"trial {run.user_attrs[RACE]['trial']}, seed {run.user_attrs[RACE]['seed']}"


def _race_of(now: Snapshot) -> list[Text | Table]:
    """How the race stands: the runs that are over, what still runs, and the candidates by the rounds so far."""
    from growsearch.cli.output import as_rich
    from growsearch.report.search_page import race_table

    assert now.race is not None
    over = sum(run.state.is_finished() for run in now.runs)
    running = [_run_of(run) for run in now.runs if run.state.name == "RUNNING"][:_SHOWN]
    words = (
        f"race: {plural(over, 'run')} of {now.most_runs} at most done{'; now ' if running else ''}{'; '.join(running)}"
    )
    objectives = [{direction: measure} for direction, measure in now.search.aims]
    return [Text(words, style="bold"), as_rich(race_table({"objectives": objectives, "race": now.race}))]


_WORDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def share_done(trial: FrozenTrial, seeds: int) -> float:
    """How much of a running trial is done, by its worker's last heartbeat: seeds, and steps of the present one."""
    from growsearch.search.snapshot import last_heartbeat

    heartbeat = last_heartbeat(trial)
    if not heartbeat.get("total_steps"):
        return 0.0
    return (int(heartbeat.get("seed") or 0) + float(heartbeat.get("step", 0)) / float(heartbeat["total_steps"])) / seeds


def _running_table(now: Snapshot) -> Table:
    from growsearch.search.snapshot import last_heartbeat

    measure = now.search.aims[0][1]
    table = Table("running", "seed", "step", measure, "worker", box=None, padding=(0, 2))
    for trial in now.running[:_SHOWN]:
        heartbeat = last_heartbeat(trial)
        steps = f"{heartbeat['step']} of {heartbeat['total_steps']}" if "step" in heartbeat else ""
        value = show_measure(measure, heartbeat[measure]) if measure in heartbeat else ""
        machine, _, process = str(heartbeat.get("worker", "")).rpartition(":")[0].partition("/")
        worker = f"{machine} {process.rpartition(':')[2]}"
        table.add_row(f"trial {trial.number}", str(heartbeat.get("seed", "")), steps, value, worker)
    return table


def outcome(now: Snapshot, trial: FrozenTrial) -> str:
    """How a trial ended, in a line."""
    if trial.user_attrs.get("kind") == "limits":
        return f"not trained: {trial.user_attrs['reason']}"
    if "reason" in trial.user_attrs:
        return f"failed: {trial.user_attrs['reason']}"
    if trial.state.name == "PRUNED":
        values, measure = list(trial.intermediate_values.values()), now.search.aims[0][1]
        return f"pruned at {measure} {show_measure(measure, values[-1])}" if values else "pruned"
    reused = f" (as trial {trial.user_attrs['duplicate_of']})" if "duplicate_of" in trial.user_attrs else ""
    return f"{describe(now, trial)}{reused}"


def describe(now: Snapshot, trial: FrozenTrial) -> str:
    """A finished trial's values, size, and parameters."""
    aims = zip(now.search.aims, trial.values or [], strict=False)
    parts = [f"{measure} {show_measure(measure, value)}" for (_, measure), value in aims]
    measures: dict[str, Any] = trial.user_attrs.get("measures") or {}
    if "parameters" in measures and "parameters" not in dict(now.search.aims).values():
        parts.append(f"{show_measure('parameters', measures['parameters'])} parameters")
    if any(excess > 0 for excess in trial.constraints.values()):
        parts.append("breaks a constraint")
    if "baseline" in trial.user_attrs:
        parts.append(f"baseline {trial.user_attrs['baseline']}")
    if "start" in trial.user_attrs:
        parts.append(str(trial.user_attrs["start"]))
    shown = [f"{name} {_short(value)}" for name, value in list(trial.params.items())[:_SHOWN]]
    return ", ".join(parts + shown)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in words: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

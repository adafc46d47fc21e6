"""A search as it goes, on standard error: a live table, or a line for each trial where that is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from growsearch.search.snapshot import Snapshot

_SHOWN = 12  # running trials, and parameters of the best one


class SearchProgress:
    """A context that is called with the snapshots of a search."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet, highlight=False)
        self._name = name
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        self._began = time.monotonic()
        self._before: int | None = None
        self._said: set[int] = set()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, now: Snapshot) -> None:
        """Show a snapshot."""
        finished = now.finished
        if self._before is None:
            self._before = len(finished)
            self._said = {trial.number for trial in finished}
            if finished:
                self._line(f"{len(finished)} of {now.wanted} trials are finished already and kept")
        if self._live is not None:
            self._live.update(self._screen(now), refresh=True)
            return
        for trial in finished:
            if trial.number not in self._said:
                self._said.add(trial.number)
                self._line(f"[{len(self._said)}/{now.wanted}] trial {trial.number}: {outcome(now, trial)}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _screen(self, now: Snapshot) -> Group:
        from optuna.trial import TrialState

        counts = [f"{len(now.finished)} of {now.wanted} trials"]
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
            counts.append(f"{now.count(state)} {_WORDS[state.name]}")
        counts += [f"{now.reused} reused"] if now.reused else []
        lines = [Text(f"{self._name}: {', '.join(counts)}{self._pace(now)}", style="bold")]
        lines += [Text(f"best: trial {trial.number}, {describe(now, trial)}") for trial in now.best[:_SHOWN]]
        return Group(*lines, *([_running_table(now)] if now.running else []))

    def _pace(self, now: Snapshot) -> str:
        """Trials an hour since this program began, and what that leaves."""
        done = len(now.finished) - (self._before or 0)
        if not done:
            return ""
        seconds = (time.monotonic() - self._began) / done
        left = seconds * (now.wanted - len(now.finished))
        return f"; {3600 / seconds:,.0f} an hour, {duration(left)} left"


_WORDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def _running_table(now: Snapshot) -> Table:
    from growsearch.search.snapshot import last_sign

    measure = now.search.aims[0][1]
    table = Table("running", "seed", "step", measure, "worker", box=None, padding=(0, 2))
    for trial in now.running[:_SHOWN]:
        sign = last_sign(trial)
        steps = f"{sign['step']} of {sign['total_steps']}" if "step" in sign else ""
        value = f"{sign[measure]:.4g}" if measure in sign else ""
        machine, _, process = str(sign.get("worker", "")).rpartition(":")[0].partition("/")
        worker = f"{machine} {process.rpartition(':')[2]}"
        table.add_row(f"trial {trial.number}", str(sign.get("seed", "")), steps, value, worker)
    return table


def outcome(now: Snapshot, trial: FrozenTrial) -> str:
    """How a trial ended, in a line."""
    if "reason" in trial.user_attrs:
        return f"failed: {trial.user_attrs['reason']}"
    if trial.state.name == "PRUNED":
        values = list(trial.intermediate_values.values())
        return f"pruned at {now.search.aims[0][1]} {values[-1]:.4g}" if values else "pruned"
    reused = f" (as trial {trial.user_attrs['duplicate_of']})" if "duplicate_of" in trial.user_attrs else ""
    return f"{describe(now, trial)}{reused}"


def describe(now: Snapshot, trial: FrozenTrial) -> str:
    """A finished trial's values, size, and parameters."""
    parts = [f"{measure} {value:.4g}" for (_, measure), value in zip(now.search.aims, trial.values or [], strict=False)]
    measures: dict[str, Any] = trial.user_attrs.get("measures") or {}
    if "parameters" in measures and "parameters" not in dict(now.search.aims).values():
        parts.append(f"{measures['parameters']:,.0f} parameters")
    if any(excess > 0 for excess in trial.constraints.values()):
        parts.append("breaks a constraint")
    if "baseline" in trial.user_attrs:
        parts.append(f"baseline {trial.user_attrs['baseline']}")
    shown = [f"{name} {_short(value)}" for name, value in list(trial.params.items())[:_SHOWN]]
    return ", ".join(parts + shown)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in words: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

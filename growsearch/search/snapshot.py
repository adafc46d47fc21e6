"""What a study looks like at a moment: what a live table and `results.json` show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from growsearch.config import SearchBudget, SearchConfig
from growsearch.search.budget import account_of
from growsearch.search.race import standing
from growsearch.search.ranking import best_trials
from growsearch.search.study import IMPORTED, LEASE, Study, counts


@dataclass(frozen=True)
class Snapshot:
    """A study's own trials at a moment, without those that others go on with; `best` is one, or the Pareto front, of
    those that were taken over too.

    `wanted` is how many there are to be, None where the budget counts something else; `share` is how much of the
    budget is used; `race` is as `standing` has it, with the runs that were begun and that there may be at most.
    """

    search: SearchConfig
    wanted: int | None
    trials: tuple[FrozenTrial, ...]
    best: tuple[FrozenTrial, ...]
    budget: SearchBudget
    share: float
    race: dict[str, Any] | None
    runs: tuple[FrozenTrial, ...]
    most_runs: int

    def count(self, *states: TrialState) -> int:
        """Trials in any of some states."""
        return sum(trial.state in states for trial in self.trials)

    @property
    def finished(self) -> list[FrozenTrial]:
        """Trials that are over."""
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def running(self) -> list[FrozenTrial]:
        """Trials that a worker has."""
        return [trial for trial in self.trials if trial.state == TrialState.RUNNING]

    @property
    def reused(self) -> int:
        """Trials that repeated another's result without training."""
        return sum("duplicate_of" in trial.user_attrs for trial in self.finished)


def snapshot(study: Study) -> Snapshot:
    """The study as it is now."""
    everything = [trial for trial in study.trials() if counts(trial)]
    best = best_trials(study, everything)
    trials = [trial for trial in everything if IMPORTED not in trial.user_attrs]
    account, race, race_now = account_of(study), study.race(), standing(study)
    wanted = None if account.budget.trials is None else max(account.search_trials(), len(trials))
    size = account.settled_race() if race_now else None
    return Snapshot(
        search=study.plan.search,
        wanted=wanted,
        trials=tuple(trials),
        best=tuple(best),
        budget=account.budget,
        share=account.share(),
        race=race_now,
        runs=tuple(run for run in race.trials() if counts(run)) if race and race_now else (),
        most_runs=size.runs if size else 0,
    )


def last_heartbeat(trial: FrozenTrial) -> dict[str, Any]:
    """What a running trial's worker said last: `worker`, `seed`, `step`, `total_steps`, and the objective's value."""
    heartbeat: dict[str, Any] = trial.user_attrs.get(LEASE) or {}
    return heartbeat

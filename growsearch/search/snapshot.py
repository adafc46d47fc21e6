"""What a study looks like at a moment: what a live table and `results.json` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from growsearch.config import SearchConfig
from growsearch.search.study import LEASE, Study, configuration_of, counts


@dataclass(frozen=True)
class Snapshot:
    """A study's trials at a moment, without those that others go on with, of so many `wanted`; `best` is one, or the
    Pareto front."""

    search: SearchConfig
    wanted: int
    trials: tuple[FrozenTrial, ...]
    best: tuple[FrozenTrial, ...]

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
    trials = [trial for trial in study.trials() if counts(trial)]
    best = best_trials(study, trials)
    return Snapshot(study.plan.search, max(study.wanted, len(trials)), tuple(trials), tuple(best))


def best_trials(study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The best trial that keeps the constraints, or the Pareto front where there are several objectives.

    Of equal ones the first. Those that reused another's result are left out, and those from elsewhere of which no run
    file of this space can be made.
    """
    own, signs, costs = _own_trials(study, trials)
    if len(signs) == 1:
        return ranked(study, trials)[:1]
    return [
        trial
        for trial in own
        if not any(_dominates(costs[other.number], costs[trial.number]) for other in own if other is not trial)
    ]


def ranked(study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that may be chosen, the best first by the first objective."""
    own, _, costs = _own_trials(study, trials)
    return sorted(own, key=lambda trial: (costs[trial.number], trial.number))


def _own_trials(
    study: Study, trials: Sequence[FrozenTrial]
) -> tuple[list[FrozenTrial], list[int], dict[int, list[float]]]:
    """Those that may be chosen, the sign that makes each objective a cost, and the costs by trial."""
    search = study.plan.search
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE and is_feasible(trial)]
    single = [trial for trial in done if "duplicate_of" not in trial.user_attrs]
    own = [trial for trial in single if "measures" in trial.user_attrs or configuration_of(study, trial)]
    signs = [1 if direction == "minimize" else -1 for direction, _ in search.aims]
    costs = {trial.number: [sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in own}
    return own, signs, costs


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a finished trial keeps all constraints."""
    return all(excess <= 0 for excess in trial.constraints.values())


def last_heartbeat(trial: FrozenTrial) -> dict[str, Any]:
    """What a running trial's worker said last: `worker`, `seed`, `step`, `total_steps`, and the objective's value."""
    heartbeat: dict[str, Any] = trial.user_attrs.get(LEASE) or {}
    return heartbeat


def _dominates(one: list[float], other: list[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))

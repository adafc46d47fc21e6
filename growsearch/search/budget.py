"""What a search has used, what the race at its end may need, and whether there is room for one more trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState

from growsearch.config import RunConfig, SearchBudget, SearchConfig
from growsearch.config.search_config import RaceConfig
from growsearch.execution.trial import estimated_flops
from growsearch.search.claims import LIMITS
from growsearch.search.ranking import ranked
from growsearch.search.study import COST, FIRST_SEED, IMPORTED, LEASE, LOST, RACE, USED, Study, counts
from growsearch.training.setup import set_up

_HOUR = 3600.0  # seconds
_ROUNDING = 1e-9  # of sums in another order
_UNTRAINED = 100  # trials in a row that used none of a budget of FLOPs, so that it would never be used up

Trials = Sequence[FrozenTrial]


@dataclass(frozen=True)
class Spent:
    """What was used, over all workers: trials (a race's runs as their share of them), training FLOPs, and hours."""

    trials: int
    flops: float
    hours: float


@dataclass(frozen=True)
class Account:
    """A search's trials and the runs of its race at one moment, and the budget that they share."""

    search: SearchConfig
    budget: SearchBudget
    trials: Trials
    ranked: Trials
    race: Trials
    begun_race: RaceConfig | None = None

    def spent(self) -> Spent:
        """What was used by now."""
        trials = _begun(self.trials) + math.ceil(_begun(self.race) / self.search.seeds)
        flops = sum(map(used_flops, self.trials)) + sum(map(used_flops, self.race))
        return Spent(trials, flops, _seconds([*self.trials, *self.race]) / _HOUR)

    def share(self) -> float:
        """How much of the budget is used, from 0 to 1."""
        spent = self.spent()
        [(name, whole)] = [(name, value) for name, value in self.budget if value is not None]
        return float(getattr(spent, name) / whole)

    def has_room(self, waiting: FrozenTrial | None = None) -> bool:
        """Whether one more trial may begin, or one that waits, so that the race can still be paid.

        What a new one costs is known only when it is drawn: then `affords` decides.
        """
        if self.budget.trials is not None:
            return _begun(self.trials) < self.search_trials()
        if self.budget.flops is not None:
            if waiting is not None and COST in waiting.user_attrs:
                return self.affords(waiting)
            return self._committed() + self._raced() + self._kept_back() < self.budget.flops
        return self.hours_left() > self._mean_seconds() * self.search.seeds / _HOUR

    def affords(self, trial: FrozenTrial, used: float = 0.0) -> bool:
        """Whether the FLOPs that a trial is going to cost, and then perhaps its race, are left.

        Args:
            trial: the trial, which has `COST`.
            used: what its worker knows to be used by now; it may be more than its last heartbeat told.
        """
        if self.budget.flops is None:
            return True
        cost = float(trial.user_attrs[COST])
        others = self._committed(but=trial.number) + self._raced()
        return others + cost + self._kept_back(trial, max(used, used_flops(trial))) <= self.budget.flops

    def search_trials(self) -> int:
        """How many trials the search itself has, where trials are counted.

        Runs of an earlier race stay booked: for the one that is planned, as far as no trial that may still come can
        make them useless.
        """
        assert self.budget.trials is not None
        race = self.search.planned_race(self.budget.trials, self.search.trials_of)
        runs = (race.runs - len(self._kept_runs(race)) if race else 0) + _begun(self.race)
        return self.budget.trials - math.ceil(runs / self.search.seeds)

    def hours_left(self) -> float:
        """Hours of the search itself that are left; the race's are kept back."""
        if self.budget.hours is None:
            return math.inf
        race = self.search.planned_race(self.budget.hours, self._hours_of)
        kept_back = self._hours_of(race) if race else 0.0
        return self.budget.hours - kept_back - self.spent().hours

    def settled_race(self) -> RaceConfig | None:
        """The race that a finished search has: the most thorough that what is left pays, or the one asked for.

        One that was begun under a larger budget stays, where its candidates are still the best.
        """
        race, begun = self._affordable_race(), self.begun_race
        if begun is None or begun not in self.search.races or (race is not None and race.runs >= begun.runs):
            return race
        in_it = {run.user_attrs[RACE]["trial"] for run in self.race}
        return begun if all(one.number in in_it for one in self.ranked[: begun.top]) else race

    def _affordable_race(self) -> RaceConfig | None:
        if self.budget.trials is not None:
            return self.search.planned_race(self.budget.trials, self.search.trials_of)
        if self.search.race is not None:
            return next(iter(self.search.races), None)
        return next((one for one in self.search.races if self._is_paid(one)), None)

    def _is_paid(self, race: RaceConfig, coming: FrozenTrial | None = None, used: float = 0.0) -> bool:
        """Whether what is left pays a race of the best by now, however far it is; of a coming trial `used` counts."""
        candidates = {one.number for one in self.ranked[: race.top]}
        before = [run for run in self.race if run.user_attrs[RACE]["trial"] not in candidates]
        if self.budget.flops is not None:
            trials = self._committed(but=coming.number if coming else None) + used
            whole = trials + sum(map(_committed_flops, before)) + _race_flops(race, self._costs())
            return whole <= self.budget.flops
        assert self.budget.hours is not None
        return _seconds([*self.trials, *before]) / _HOUR + self._hours_of(race) <= self.budget.hours

    def race_has_room(self, run: int | None, cost: float) -> bool:
        """Whether a run of the race, of so many FLOPs, may begin, or run `run` go on, where earlier ones cost more."""
        if self.budget.flops is not None:
            committed = self._committed() + self._raced(but=run)
            return committed + cost <= self.budget.flops * (1 + _ROUNDING)
        return self.race_hours_left() > self._mean_seconds() / _HOUR

    def race_hours_left(self) -> float:
        """Hours until the race has to end."""
        return math.inf if self.budget.hours is None else self.budget.hours - self.spent().hours

    def _kept_back(self, coming: FrozenTrial | None = None, used: float = 0.0) -> float:
        """FLOPs for the race that may follow, also when a trial that is coming gets into it.

        It is the race that was asked for. Otherwise it is the one that is planned, or where the best trials, what was
        used, and what the others are going to use leave too little for it by now, the most thorough one for which they
        do not. Where there is none, nothing is kept back, and trials have the rest. Only what a coming trial has used
        may put a race out of reach so: what it is going to cost, and that it may be a candidate, keeps it waiting.
        """
        assert self.budget.flops is not None
        costs = self._costs()
        open_ = self._costs_to_come(coming)
        mean = fmean([*costs, *open_]) if costs or open_ else 0.0
        planned = self.search.planned_race(self.budget.flops, lambda race: race.runs * mean)
        race = planned
        if planned is not None and self.search.race is None:
            races = self.search.races
            race = next((race for race in races[races.index(planned) :] if self._is_paid(race, coming, used)), None)
        if race is None:
            return 0.0
        return _race_flops(race, costs, open_) - sum(map(used_flops, self._kept_runs(race, coming)))

    def _kept_runs(self, race: RaceConfig, coming: FrozenTrial | None = None) -> list[FrozenTrial]:
        """Runs of an earlier race that this one has, however good the trials that run and the one that is coming get.

        Of its candidates each of these puts out one at most.
        """
        running = {one.number for one in self.trials if one.state == TrialState.RUNNING}
        others = len(running - {coming.number} if coming is not None else running)
        sure = {one.number for one in self.ranked[: max(0, race.top - others - 1)]}
        seeds = range(FIRST_SEED, FIRST_SEED + race.seeds)
        places = ((run, run.user_attrs[RACE]) for run in self.race if counts(run))
        return [run for run, place in places if place["trial"] in sure and place["seed"] in seeds]

    def _costs(self) -> list[float]:
        """FLOPs of a run of each trial by now, the best first."""
        return [run_flops(one) for one in self.ranked]

    def _costs_to_come(self, coming: FrozenTrial | None) -> list[float]:
        """FLOPs of a run of each trial that runs, and of the one that is coming."""
        open_ = {one.number: one for one in self.trials if one.state == TrialState.RUNNING and COST in one.user_attrs}
        open_ |= {coming.number: coming} if coming is not None else {}
        return [float(one.user_attrs[COST]) / self.search.seeds for one in open_.values()]

    def _hours_of(self, race: RaceConfig) -> float:
        """Hours of a race on as many workers as there were on average, by the mean run."""
        lasted = _seconds(self.trials)
        workers = max(1, round(sum(_length(one) for one in self.trials) / lasted)) if lasted else 1
        rounds = math.ceil(2 * race.top / workers) + (race.seeds - 2) * math.ceil(race.top / workers)
        return rounds * self._mean_seconds() / _HOUR

    def _mean_seconds(self) -> float:
        """Seconds of a run, by the trials that were trained to the end; 0 before there is one."""
        done = [one.user_attrs["seconds"] for one in self.trials if "seconds" in one.user_attrs]
        return fmean(done) / self.search.seeds if done else 0.0

    def _raced(self, but: int | None = None) -> float:
        return sum(_committed_flops(one) for one in self.race if one.number != but)

    def _committed(self, but: int | None = None) -> float:
        return sum(_committed_flops(one) for one in self.trials if one.number != but)


def account_of(study: Study, trials: Trials | None = None) -> Account:
    """The account of a study, by its trials as they are now, or as they were read before."""
    budget, _ = study.ends()
    trials = study.trials() if trials is None else trials
    race = study.race()
    runs = race.trials() if race else ()
    return Account(study.plan.search, budget, trials, ranked(study, trials), runs, race.size() if race else None)


def stopped_by(study: Study, trials: Trials) -> Literal["target", "without_improvement", "untrained"] | None:
    """What ends the search before its budget does: of `search.stop` a trial at the target, or too many in a row that
    were no better; and too many in a row that used nothing of a budget of FLOPs.
    """
    budget, stop = study.ends()
    ended = [one for one in trials if one.state.is_finished() and counts(one) and IMPORTED not in one.user_attrs]
    if budget.flops is not None and len(ended) >= _UNTRAINED and not any(map(used_flops, ended[-_UNTRAINED:])):
        return "untrained"
    best = next(iter(ranked(study, trials)), None) if stop is not None else None
    if stop is None or best is None:
        return None
    [(direction, _)] = study.plan.search.aims
    sign = 1 if direction == "minimize" else -1
    if stop.target is not None and sign * best.values[0] <= sign * stop.target:
        return "target"
    later = [one for one in trials if one.number > best.number and _was_trained(one)]
    fruitless = stop.without_improvement is not None and len(later) >= stop.without_improvement
    return "without_improvement" if fruitless else None


def _was_trained(trial: FrozenTrial) -> bool:
    repeated = "duplicate_of" in trial.user_attrs or trial.user_attrs.get("kind") == LIMITS
    return trial.state.is_finished() and counts(trial) and not repeated and IMPORTED not in trial.user_attrs


def foreseen_flops(config: RunConfig) -> float:
    """Training FLOPs of a run, before it is begun: exact where nothing grows or FLOPs end it, otherwise roughly."""
    return float(config.training.flops or estimated_flops(set_up(config, 0, "cpu")))


def _race_flops(race: RaceConfig, costs: Sequence[float], open_: Sequence[float] = ()) -> float:
    """FLOPs of a race at most: none of its candidates is dropped, and they are the most expensive ones that may be.

    Args:
        race: how many candidates, and runs of each.
        costs: FLOPs of a run of each trial by now, the best first.
        open_: those of trials that run or are coming, of which each may get in; no other can get better.
    """
    return race.seeds * sum(sorted([*costs[: race.top], *open_], reverse=True)[: race.top])


def run_flops(trial: FrozenTrial) -> float:
    """Training FLOPs of one run of a complete trial."""
    measures: dict[str, Any] = trial.user_attrs.get("measures") or {}
    return float(measures.get("training_flops", 0.0))


def used_flops(trial: FrozenTrial) -> float:
    """Training FLOPs of a trial as far as it came; one that another goes on with counts there."""
    if not counts(trial) or {"duplicate_of", IMPORTED} & set(trial.user_attrs):
        return 0.0
    told, ended = trial.user_attrs.get(LEASE, {}).get(USED, 0.0), trial.user_attrs.get(USED, 0.0)
    return float(max(told, ended))


def _committed_flops(trial: FrozenTrial) -> float:
    """What a trial used, and where it runs what it is going to use."""
    going = trial.state == TrialState.RUNNING
    return max(used_flops(trial), trial.user_attrs.get(COST, 0.0)) if going else used_flops(trial)


def _begun(trials: Trials) -> int:
    return sum(
        counts(trial) and trial.state != TrialState.WAITING and IMPORTED not in trial.user_attrs for trial in trials
    )


def _seconds(trials: Trials) -> float:
    """Seconds in which at least one trial ran."""
    spans = sorted((one.datetime_start.timestamp(), _length(one)) for one in trials if one.datetime_start is not None)
    total, until = 0.0, -math.inf
    for start, length in spans:
        total += max(0.0, start + length - max(start, until))
        until = max(until, start + length)
    return total


def _length(trial: FrozenTrial) -> float:
    """Seconds that a worker had a trial: until its end, or where the worker was lost until its last heartbeat."""
    beaten = float(trial.user_attrs.get(LEASE, {}).get("seconds", 0.0))
    if trial.datetime_start is None:
        return 0.0
    if trial.datetime_complete is None or LOST in trial.user_attrs:
        return beaten
    return max(0.0, (trial.datetime_complete - trial.datetime_start).total_seconds())

"""A search, replayed: the same rules, with a table's runs in the place of training, and a clock for its workers."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from growsearch.config.search_config import RaceConfig
from growsearch.tables.outcomes import Outcomes, Source
from growsearch.tables.proposing import Proposer
from growsearch.tables.racing import Raced, race
from growsearch.tables.rules import Rule, RungBoard


@dataclass(frozen=True)
class Choice:
    """What a search would choose once so many FLOPs (in runs) and seconds were used."""

    flops: float
    seconds: float
    number: int


@dataclass(frozen=True)
class Replayed:
    """A replayed search: what it chose as it went on, the race's winner last; trials begun and finished.

    `seen` are the places of the seeds that the choice has seen; the truth is what the others say.
    """

    choices: tuple[Choice, ...]
    begun: int
    finished: int
    flops: float
    seen: tuple[int, ...]

    @property
    def chosen(self) -> int | None:
        """The configuration that was chosen at the end."""
        return self.choices[-1].number if self.choices else None


@dataclass
class _Trial:
    """A trial on its way: how far its first seed is."""

    order: int
    number: int
    outcomes: Outcomes
    stops: list[int]  # evaluations of the first seed at which it is compared
    used: float = 0.0
    passed: int = 0


@dataclass
class Simulation:
    """A search of `budget` runs' FLOPs; `seeds` are the table's, in the order in which they are used."""

    source: Source
    rule: Rule
    proposer: Proposer
    budget: float
    seeds: Sequence[int]
    workers: int = 1
    largest: float = 0.0
    _boards: list[RungBoard] = field(default_factory=list)
    _ends: dict[int, tuple[float, _Trial]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._boards = [RungBoard(self.rule.reduction) for _ in self.rule.rungs]
        self._race: RaceConfig | None = self.rule.race_within(self.budget)
        self._committed = 0.0
        self._booked: dict[int, float] = {}  # what running trials still cost if nothing stops them
        self._waiting: dict[int, _Trial] = {}
        self._trials: list[_Trial] = []
        self._pending: _Trial | None = None
        self._choices: list[Choice] = []
        self._best = math.inf

    def run(self) -> Replayed:
        """Replay it to its end, the race included."""
        now, going, tie = 0.0, list[tuple[float, int, _Trial]](), itertools.count()
        while True:
            while len(going) < self.workers and (coming := self._next()) is not None:
                trial, length = coming
                heapq.heappush(going, (now + length, next(tie), trial))
            if not going:
                break
            now, _, trial = heapq.heappop(going)
            more = self._came(trial, now)
            if more is not None:
                heapq.heappush(going, (now + more, next(tie), trial))
        raced = self._raced(now)
        own = self.seeds[: self.rule.seeds]
        seen = (*own, *self._fresh[: self._race.seeds if self._race else 0]) if raced else tuple(own)
        return Replayed(tuple(self._choices), len(self._trials), len(self._ends), self._committed, tuple(seen))

    @property
    def _fresh(self) -> Sequence[int]:
        return self.seeds[self.rule.seeds :]

    def _next(self) -> tuple[_Trial, float] | None:
        """What a free worker begins, and the seconds until it is heard of; None where it has to wait, or is done."""
        for place in reversed(range(len(self._boards))):
            board = self._boards[place]
            order = board.promotable() if self.rule.promotion else None
            if order is not None:
                trial = self._waiting[order]
                if not self._affords(self._to_come(trial)):
                    continue
                board.promoted.add(order)
                del self._waiting[order]
                return trial, self._segment(trial)
        if self._pending is None:
            number = self.proposer.propose() if self._affords(0.0) else None
            if number is None:
                return None
            outcomes = self.source.outcomes(number)
            self._pending = _Trial(len(self._trials), number, outcomes, self._stops(outcomes))
        trial = self._pending
        if not self._affords(self._to_come(trial)):  # it begins if what runs is stopped before
            return None
        self._pending = None
        self._trials.append(trial)
        return trial, self._segment(trial)

    def _affords(self, flops: float) -> bool:
        booked = flops + sum(self._booked.values()) + self._kept_back()
        return self._committed + booked / self.source.unit <= self.budget * (1 + 1e-9)

    def _kept_back(self) -> float:
        """FLOPs of the race at most, by the best by now; those that are not known yet are a mean run's."""
        if self._race is None:
            return 0.0
        best = heapq.nsmallest(self._race.top, self._ends.values(), key=lambda end: (end[0], end[1].order))
        costs = [trial.outcomes.whole for _, trial in best]
        return self._race.seeds * (sum(costs) + (self._race.top - len(costs)) * self.source.unit)

    def _stops(self, outcomes: Outcomes) -> list[int]:
        """The evaluations at which a trial is compared; none at its end."""
        seed, shares, last = self.seeds[0], self.source.shares, len(self.source.shares) - 1
        found = []
        for rung in self.rule.rungs:
            reached = shares >= rung.share - 1e-9
            if rung.of == "largest_flops":
                reached = outcomes.flops[seed] >= rung.share * self.largest
            place = int(np.argmax(reached)) if reached.any() else last
            found.append(min(place, last))
        return found

    def _to_come(self, trial: _Trial) -> float:
        """FLOPs that a trial still costs: with promotion as far as the next rung, else all."""
        if self.rule.promotion and trial.passed < len(trial.stops):
            return float(trial.outcomes.flops[self.seeds[0], trial.stops[trial.passed]]) - trial.used
        whole = sum(float(trial.outcomes.flops[seed, -1]) for seed in self.seeds[: self.rule.seeds])
        return whole - trial.used

    def _segment(self, trial: _Trial) -> float:
        """Train a trial as far as it is next heard of; returns the seconds."""
        outcomes, first = trial.outcomes, self.seeds[0]
        before = trial.stops[trial.passed - 1] if trial.passed else None
        start = float(outcomes.seconds[first, before]) if before is not None else 0.0
        if trial.passed < len(trial.stops):
            place = trial.stops[trial.passed]
            used, seconds = float(outcomes.flops[first, place]), float(outcomes.seconds[first, place]) - start
        else:
            own = self.seeds[: self.rule.seeds]
            used = sum(float(outcomes.flops[seed, -1]) for seed in own)
            seconds = sum(float(outcomes.seconds[seed, -1]) for seed in own) - start
        self._committed += (used - trial.used) / self.source.unit
        trial.used = used
        self._booked[trial.order] = 0.0 if self.rule.promotion else self._to_come(trial)
        return max(0.0, seconds)

    def _came(self, trial: _Trial, now: float) -> float | None:
        """Hear of a trial; the seconds until the next time where it goes on at once."""
        last = len(self.source.shares) - 1
        del self._booked[trial.order]
        while trial.passed < len(trial.stops):
            place, index = trial.stops[trial.passed], trial.passed
            trial.passed += 1
            if place >= last:  # it never was at this rung, or it was as dear as the whole
                continue
            cost = trial.outcomes.cost_at(self.rule.measure, self.seeds[0], place)
            if not self._passes(trial, index, cost):
                return None
            return self._segment(trial)
        own = self.seeds[: self.rule.seeds]
        self._end(trial, fmean(trial.outcomes.end(self.rule.measure, seed) for seed in own), now)
        return None

    def _passes(self, trial: _Trial, index: int, cost: float) -> bool:
        """Whether a trial goes on at once behind a rung; one that does not is stopped, or waits to be promoted."""
        board, rung = self._boards[index], self.rule.rungs[index]
        kept = board.keeps(trial.order, cost)
        self.proposer.at_rung(trial.number, index + 1, cost)
        if not math.isfinite(cost):
            self.proposer.ended(trial.number, math.inf, stopped=False)
            return False
        if self.rule.promotion:
            self._waiting[trial.order] = trial
            return False
        if kept or (self.rule.holds_back and board.quality(rung.share).holds_back):
            return True
        self.proposer.ended(trial.number, cost, stopped=True)
        return False

    def _end(self, trial: _Trial, cost: float, now: float) -> None:
        for board in self._boards:
            if trial.order in board.costs:
                board.ends[trial.order] = cost
        self.proposer.ended(trial.number, cost, stopped=False)
        if not math.isfinite(cost):
            return
        self._ends[trial.order] = (cost, trial)
        if cost < self._best:
            self._best = cost
            self._choices.append(Choice(self._committed, now, trial.number))

    def _raced(self, now: float) -> Raced | None:
        """Run the race, where there is one and something to choose between."""
        if self._race is None or len(self._ends) < 2:
            return None
        best = heapq.nsmallest(self._race.top, self._ends.values(), key=lambda end: (end[0], end[1].order))
        entrants = {trial.number: trial.outcomes for _, trial in best}
        raced = race(entrants, self.rule.measure, self._fresh[: self._race.seeds], self.workers)
        self._committed += raced.flops / self.source.unit
        self._choices.append(Choice(self._committed, now + raced.seconds, raced.winner))
        return raced

"""Searches replayed on a table: which configuration they choose, and how good that really is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from growsearch.errors import InputError
from growsearch.tables.outcomes import COSTS, Pool
from growsearch.tables.proposing import Nearest, Proposer, Sampled, Shuffled
from growsearch.tables.rules import DEFAULT, Rule
from growsearch.tables.simulation import Replayed, Simulation
from growsearch.tables.surrogate import Surrogate

Array = NDArray[np.floating[Any]]
Start = Literal["none", "good", "wrong"]
_STARTS = 3  # configurations that are tried first
_GOOD, _WRONG = 0.1, 0.5  # they are of the best tenth, or of the worse half


@dataclass(frozen=True)
class Arm:
    """What is compared: a rule, a sampler, and what the search is told to try first.

    `random` draws among a table's configurations; others propose a point and are given the nearest that is left.
    """

    rule: Rule = DEFAULT
    sampler: str = "random"
    start: Start = "none"
    workers: int = 1


@dataclass(frozen=True)
class Judged:
    """A replayed search with the truth about what it chose: by seeds that the choice has not seen, as a cost.

    `truth` is infinite where nothing was chosen. `anytime` has the truth about each of its choices, `beside` that about
    the last one by all measures that the table has.
    """

    replayed: Replayed
    truth: float
    anytime: tuple[float, ...]
    beside: Mapping[str, float]


def replay(pool: Pool, arm: Arm, budget: float, repeat: int, truth: str = "test_accuracy") -> Judged:
    """Replay a search of `budget` runs' FLOPs. Equal repeats of two arms have equal seeds and random configurations.

    Raises `InputError` where the table has too few seeds for the rule.

    Args:
        pool: the table's configurations.
        arm: what is replayed.
        budget: in mean runs' training FLOPs.
        repeat: draws the order of the table's seeds, and everything that the search draws.
        truth: the measure by which the choice is judged.
    """
    _require_seeds(pool.table.name, pool.seeds, arm.rule, budget)
    random = np.random.default_rng(repeat)
    seeds = [int(seed) for seed in random.permutation(pool.seeds)]
    first = _first(pool, arm.start, truth, random)
    replayed = Simulation(
        pool, arm.rule, _proposer(pool, arm, random, first, repeat), budget, seeds, arm.workers, pool.largest
    ).run()
    unseen = [seed for seed in seeds if seed not in replayed.seen]
    costs = {name: truths(pool, name)[:, unseen].mean(axis=1) for name in pool.costs}
    return _judged(replayed, lambda number, name: costs[name][number], truth, pool)


def replay_modelled(
    surrogate: Surrogate,
    arm: Arm,
    budget: float,
    repeat: int,
    truth: str = "test_accuracy",
    space: Mapping[str, Any] | None = None,
) -> Judged:
    """Replay a search over the whole space of a table, with a model's curves; the truth is the model's, without noise.

    Raises `InputError` where the table has too few seeds for the rule.

    Args:
        surrogate: the model.
        arm: what is replayed; `random` draws anywhere.
        budget: in mean runs' training FLOPs.
        repeat: as in `replay`.
        truth: the measure by which the choice is judged.
        space: the table's, with defaults in its ranges.
    """
    _require_seeds(surrogate.pool.table.name, surrogate.seeds, arm.rule, budget)
    random = np.random.default_rng(repeat)
    source, pool = surrogate.fresh(), surrogate.pool
    seeds = [int(seed) for seed in random.permutation(source.seeds)]
    first = tuple(pool.table.point(number) for number in _first(pool, arm.start, truth, random))
    proposer = Sampled(space or pool.table.space, source, arm.sampler, repeat, first)
    replayed = Simulation(source, arm.rule, proposer, budget, seeds, arm.workers, pool.largest).run()
    return _judged(replayed, source.truth, truth, pool)


def truths(pool: Pool, measure: str) -> Array:
    """Return a measure at the end of every run `[C, S]`, as a cost; one that failed has the worst of all."""
    found = pool.truths(measure)
    return np.where(np.isfinite(found), found, found[np.isfinite(found)].max())


def best(pool: Pool, measure: str) -> float:
    """Return the lowest mean cost over all seeds: what regret is counted from."""
    return float(truths(pool, measure).mean(axis=1).min())


def as_measured(cost: float, measure: str) -> float:
    """Return a cost as the measure that it was."""
    return COSTS[measure] * cost


def _judged(replayed: Replayed, truth_of: Callable[[int, str], float], measure: str, pool: Pool) -> Judged:
    anytime = tuple(float(truth_of(choice.number, measure)) for choice in replayed.choices)
    if not anytime or replayed.chosen is None:
        return Judged(replayed, np.inf, anytime, {})
    return Judged(replayed, anytime[-1], anytime, {name: float(truth_of(replayed.chosen, name)) for name in pool.costs})


def _require_seeds(table: str, seeds: int, rule: Rule, budget: float) -> None:
    """See that the search and its race leave a seed that they do not see."""
    race = rule.race_within(budget)
    needed = rule.seeds + (race.seeds if race else 0) + 1
    if needed > seeds:
        raise InputError(
            f"table {table!r} has {seeds} seeds, and this rule needs {needed}: {rule.seeds} of the "
            f"search, {race.seeds if race else 0} of its race, and one to judge the choice by: take a smaller race"
        )


def _first(pool: Pool, start: Start, measure: str, random: np.random.Generator) -> tuple[int, ...]:
    if start == "none":
        return ()
    order = truths(pool, measure).mean(axis=1).argsort()
    cut = round(_GOOD * pool.count) if start == "good" else round(_WRONG * pool.count)
    among = order[:cut] if start == "good" else order[-cut:]
    return tuple(int(one) for one in random.choice(among, _STARTS, replace=False))


def _proposer(pool: Pool, arm: Arm, random: np.random.Generator, first: tuple[int, ...], repeat: int) -> Proposer:
    if arm.sampler == "random":
        return Shuffled(pool.count, random, first)
    points = tuple(pool.table.point(number) for number in first)
    return Sampled(pool.table.space, Nearest(pool), arm.sampler, repeat, points)

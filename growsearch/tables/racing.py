"""The race of a replayed search, by the rule of a real one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from growsearch.search.racing import survivors
from growsearch.tables.outcomes import Outcomes


@dataclass(frozen=True)
class Raced:
    """Who won, and what it cost."""

    winner: int
    flops: float
    seconds: float


def race(entrants: Mapping[int, Outcomes], measure: str, seeds: Sequence[int], workers: int = 1) -> Raced:
    """Run the best of a search with fresh seeds: two at first, then clear losers are left out before every further one.

    The winner has the lowest mean of those with the most runs; where all failed, the best by the search. What the runs
    cost is of those that took place.

    Args:
        entrants: the best by the search, the best first.
        measure: that decides.
        seeds: places of the fresh seeds.
        workers: that run beside each other.
    """
    alive, costs = list(entrants), {number: list[float]() for number in entrants}
    flops = seconds = 0.0
    for index, seed in enumerate(seeds):
        if index >= 2:
            alive = survivors({number: costs[number] for number in alive})
        busy = [0.0] * workers
        for number in alive:
            outcomes = entrants[number]
            costs[number].append(outcomes.end(measure, seed))
            flops += float(outcomes.flops[seed, -1])
            heapq.heapreplace(busy, busy[0] + float(outcomes.seconds[seed, -1]))
        seconds += max(busy)
    most = max(map(len, costs.values()))
    means = {number: fmean(values) for number, values in costs.items() if len(values) == most}
    in_it = {number: mean for number, mean in means.items() if math.isfinite(mean)}
    winner = min(in_it, key=lambda number: in_it[number]) if in_it else next(iter(entrants))
    return Raced(winner, flops, seconds)

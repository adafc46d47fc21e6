"""How much of a budget one event may use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from growsearch.growth.budget import Budget

DEFAULT_AMOUNT = 0.25
UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Allowance:
    """What one event may add.

    `requests` is each site's even share, `caps` the most that it may gain, both in units; `units` the most of all
    sites together; `parameters` and `flops` limit the whole network after the event. `over_events` tells that `units`
    is the event's part of a budget, which all events together are to use up. Removals are not limited, but every site
    keeps a unit.
    """

    requests: dict[str, int]
    caps: dict[str, int]
    units: int
    parameters: int = UNLIMITED
    flops: int = UNLIMITED
    over_events: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing can be added."""
        return self.units <= 0 or not any(self.caps.values())


@dataclass(frozen=True)
class GrowthSoFar:
    """Where a network stands before an event.

    `seed` and `current` are units by site, `added` the units added so far, `used` the network's parameters and flops,
    `unit_cost` what one unit of each site costs in the budget's measure, `events` how many there were, `left` the units
    that a limit of its own leaves to a site. With `moves`, removals make room: what the budget leaves does not limit
    what single sites may gain.
    """

    seed: Mapping[str, int]
    current: Mapping[str, int]
    added: int
    used: Mapping[str, int]
    unit_cost: Mapping[str, float]
    events: int
    moves: bool
    left: Mapping[str, int]


def allowance_for(budget: Budget | None, now: GrowthSoFar, amount: float | None, events_left: int | None) -> Allowance:
    """What the next event may add.

    Args:
        budget: where growth stops; None: nowhere.
        now: where the network stands.
        amount: share of its seed units that every site gains in one event. None: what the budget leaves, spread evenly
            over the events left, or `DEFAULT_AMOUNT` where their number is not known.
        events_left: of the scheduler, this one included; None where that is not known.
    """
    found = _by_budget(budget, now, amount, events_left)
    caps = {name: min(cap, now.left.get(name, UNLIMITED)) for name, cap in found.caps.items()}
    requests = {name: min(units, caps[name]) for name, units in found.requests.items()}
    return replace(found, caps=caps, requests=requests)


def _by_budget(budget: Budget | None, now: GrowthSoFar, amount: float | None, events_left: int | None) -> Allowance:
    even = {name: max(1, round((amount or DEFAULT_AMOUNT) * now.seed[name])) for name in now.current}
    shares = events_left if amount is None and (budget is None or len(budget.limits) == 1) else None
    if budget is None:
        return Allowance(even, dict.fromkeys(now.current, UNLIMITED), sum(even.values()))
    if budget.measure == "width":
        limit = budget.at(now.events)
        within = {name: round(now.seed[name] * limit) - units for name, units in now.current.items()}
        caps = {name: max(0, min(units, now.left.get(name, units))) for name, units in within.items()}
        if shares:
            even = {name: _part(caps[name], shares) for name in caps}
        requests = {name: min(even[name], caps[name]) for name in caps}
        return Allowance(requests, caps, sum(requests.values()), over_events=shares is not None)
    caps = dict.fromkeys(now.current, UNLIMITED)
    if budget.measure == "units":
        left = max(0, int(budget.at(now.events)) - now.added)
        units = _part(left, shares) if shares else min(left, sum(even.values()))

        def part_of(open_sites: Sequence[str], given: Mapping[str, int]) -> dict[str, int]:
            rest, total = units - sum(given.values()), sum(now.seed[name] for name in open_sites)
            return {name: math.ceil(rest * now.seed[name] / total) for name in open_sites}

        requests = _filled(now, part_of) if shares else even
        return Allowance(requests, caps, units, over_events=shares is not None)
    limit = int(budget.at(now.events))
    left = max(0, limit - now.used[budget.measure])
    units = sum(even.values())
    if shares:
        left = _part(left, shares)

        def cost_of(units_by_site: Mapping[str, int]) -> float:
            return sum(now.unit_cost[name] * units for name, units in units_by_site.items())

        def share_of(open_sites: Sequence[str], given: Mapping[str, int]) -> dict[str, int]:
            rest = left - cost_of(given)
            share = max(0.0, rest) / max(1.0, cost_of({name: now.seed[name] for name in open_sites}))
            return {name: math.ceil(share * now.seed[name]) for name in open_sites}

        even = _filled(now, share_of)
        units = UNLIMITED
    # A network that is over the limit has to come down to it.
    reach = min(limit, now.used[budget.measure]) + left
    caps = {
        name: UNLIMITED if now.moves else min(UNLIMITED, int(left / max(1.0, now.unit_cost[name])))
        for name in now.current
    }
    if budget.measure == "parameters":
        return Allowance(even, caps, units, parameters=reach)
    return Allowance(even, caps, units, flops=reach)


def _filled(now: GrowthSoFar, shares: Callable[[Sequence[str], Mapping[str, int]], dict[str, int]]) -> dict[str, int]:
    """What sites are asked to gain, where those that reach their own limit leave the rest to the others.

    `shares(names, given)` divides what is left beside `given` among sites.
    """
    given: dict[str, int] = {}
    while len(given) < len(now.current):
        asked = shares([name for name in now.current if name not in given], given)
        over = {name: now.left[name] for name, units in asked.items() if units > now.left.get(name, UNLIMITED)}
        if not over:
            return given | asked
        given |= over
    return given


def _part(left: int, events: int) -> int:
    """An even part of what is left, so that the last event takes the rest."""
    return left if events <= 1 else int(left / events + 0.5)

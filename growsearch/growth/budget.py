"""How far a network may grow, and how much of that one event may use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from growsearch.errors import InputError
from growsearch.growth.candidate import Candidate
from growsearch.growth.cost import NetworkCost

Measure = Literal["width", "units", "parameters", "flops"]
MEASURES: tuple[Measure, ...] = ("width", "units", "parameters", "flops")
DEFAULT_AMOUNT = 0.25
UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Budget:
    """Where growth stops.

    `width`: every site at this multiple of its seed width. `units`: so many units added in all. `parameters`: so many
    parameters of the whole network. `flops`: so many forward FLOPs per sample. Several `limits` hold for one event
    each, the last one from then on: where they fall, strategies that remove units shrink the network to them.
    """

    measure: Measure
    limits: tuple[float, ...]

    @staticmethod
    def of(value: Mapping[str, float | Sequence[float]] | Budget | None) -> Budget | None:
        """From `{measure: limit}` or `{measure: [limit of the first event, ...]}`.

        `InputError` unless it names exactly one measure with positive limits; several are for parameters and FLOPs.
        """
        if value is None or isinstance(value, Budget):
            return value
        if len(value) != 1 or next(iter(value)) not in MEASURES:
            raise InputError(f"budget {dict(value)}: give exactly one of {', '.join(MEASURES)}")
        measure, given = next(iter(value.items()))
        limits = tuple(given) if isinstance(given, Sequence) else (given,)
        if not limits or not all(limit > 0 for limit in limits):
            raise InputError(f"budget {measure}: {given} must be above 0")
        if measure in ("width", "units") and len(limits) > 1:
            raise InputError(
                f"budget {measure}: {list(limits)}: give one limit; only parameters and flops take several"
            )
        return Budget(measure, limits)  # type: ignore[arg-type]  # membership was just checked

    def at(self, events: int) -> float:
        """The limit that holds after so many events."""
        return self.limits[min(events, len(self.limits) - 1)]

    def check_seed(self, parameters: int, flops: int) -> None:
        """`InputError` where the seed network is over all limits already."""
        used = {"width": 1.0, "parameters": parameters, "flops": flops}.get(self.measure)
        if used is not None and max(self.limits) < used:
            raise InputError(
                f"budget {self.measure}: {max(self.limits):g} is below the seed network, which has {used:g}: "
                "give a larger budget, a smaller seed network, or a strategy that removes units"
            )


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


@dataclass
class Ledger:
    """Takes candidates one by one, as long as the allowance covers them.

    `units` counts new layers too, `widths` does not.
    """

    allowance: Allowance
    cost: NetworkCost
    flops: int
    units: dict[str, int] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    layers: int = 0
    dormant: int = 0

    def take(self, candidate: Candidate) -> bool:
        """Whether the candidate fits beside those taken before; if so it is taken. Removals make room for others."""
        took: bool = (self._remove, self._rewire, self._add)[candidate.gain + 1](candidate)
        return took

    def count(self, candidate: Candidate) -> None:
        """Take the candidate, whether the allowance covers it or not."""
        self.units[candidate.site] = self.units.get(candidate.site, 0) + candidate.gain
        if not candidate.layer_parameters:
            self.widths[candidate.site] = self.widths.get(candidate.site, 0) + candidate.gain
        self.layers += candidate.layer_parameters
        self.flops += candidate.flops
        self.dormant += candidate.dormant

    def _add(self, candidate: Candidate) -> bool:
        allowance, mine = self.allowance, self.units.get(candidate.site, 0)
        if mine >= allowance.caps.get(candidate.site, 0) or sum(self.units.values()) >= allowance.units:
            return False
        after = replace(self, units=dict(self.units), widths=dict(self.widths))
        after.count(candidate)
        if after.over:
            return False
        self.count(candidate)
        return True

    def _remove(self, candidate: Candidate) -> bool:
        """Every site keeps a unit."""
        if self.cost.units[candidate.site] + self.units.get(candidate.site, 0) <= 1:
            return False
        self.count(candidate)
        return True

    def _rewire(self, candidate: Candidate) -> bool:
        if candidate.dormant < 0 and self.parameters - candidate.dormant > self.allowance.parameters:
            return False
        self.dormant += candidate.dormant
        return True

    @property
    def parameters(self) -> int:
        """Parameters, without dormant ones, of the network with all that was taken."""
        return self.cost.parameters(self.widths, self.layers) - self.dormant

    @property
    def over(self) -> bool:
        """Whether the network with all that was taken is above the limits."""
        allowance = self.allowance
        if allowance.flops < UNLIMITED and self.flops + self.cost.shared_flops(self.widths) > allowance.flops:
            return True
        return allowance.parameters < UNLIMITED and self.parameters > allowance.parameters


def allowance_for(
    budget: Budget | None,
    seed: Mapping[str, int],
    current: Mapping[str, int],
    added: int,
    used: Mapping[str, int],
    unit_cost: Mapping[str, float],
    amount: float | None,
    events_left: int | None,
    events: int = 0,
    moves: bool = False,
) -> Allowance:
    """What the next event may add, after so many `events`.

    `amount` is the share of its seed units that every site gains in one event. Without one, what the budget leaves is
    spread evenly over the scheduler's remaining events, or `DEFAULT_AMOUNT` is taken where their number is not known.
    `seed` and `current` are units by site, `added` the units added so far, `used` the network's parameters and flops,
    `unit_cost` what one unit of each site costs in the budget's measure. With `moves`, removals make room: what single
    sites may gain is not limited by what the budget leaves.
    """
    even = {name: max(1, round((amount or DEFAULT_AMOUNT) * seed[name])) for name in current}
    shares = events_left if amount is None and (budget is None or len(budget.limits) == 1) else None
    if budget is None:
        return Allowance(even, dict.fromkeys(current, UNLIMITED), sum(even.values()))
    if budget.measure == "width":
        limit = budget.at(events)
        caps = {name: max(0, round(seed[name] * limit) - units) for name, units in current.items()}
        if shares:
            even = {name: _part(caps[name], shares) for name in caps}
        requests = {name: min(even[name], caps[name]) for name in caps}
        return Allowance(requests, caps, sum(requests.values()), over_events=shares is not None)
    caps = dict.fromkeys(current, UNLIMITED)
    if budget.measure == "units":
        left = max(0, int(budget.at(events)) - added)
        units = _part(left, shares) if shares else min(left, sum(even.values()))
        total = sum(seed[name] for name in current)
        requests = {name: math.ceil(units * seed[name] / total) for name in current} if shares else even
        return Allowance(requests, caps, units, over_events=shares is not None)
    limit = int(budget.at(events))
    left = max(0, limit - used[budget.measure])
    units = sum(even.values())
    if shares:
        left = _part(left, shares)
        share = left / max(1.0, sum(unit_cost[name] * seed[name] for name in current))
        even = {name: math.ceil(share * seed[name]) for name in current}
        units = UNLIMITED
    # A network that is over the limit has to come down to it.
    reach = min(limit, used[budget.measure]) + left
    caps = {name: UNLIMITED if moves else min(UNLIMITED, int(left / max(1.0, unit_cost[name]))) for name in current}
    if budget.measure == "parameters":
        return Allowance(even, caps, units, parameters=reach)
    return Allowance(even, caps, units, flops=reach)


def _part(left: int, events: int) -> int:
    """An even part of what is left, so that the last event takes the rest."""
    return left if events <= 1 else int(left / events + 0.5)

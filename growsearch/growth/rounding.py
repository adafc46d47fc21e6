"""Widths that are multiples of a number, as hardware likes them, whichever strategies grow them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from growsearch.arguments import require_whole
from growsearch.errors import InputError
from growsearch.graph import Site
from growsearch.growth.allowance import UNLIMITED, Allowance
from growsearch.growth.candidate import Candidate, Removal, Rewiring, named
from growsearch.growth.ledger import Ledger
from growsearch.growth.policy import Policy


def require_rounding(round_to: int, policy: Policy) -> None:
    """`InputError` unless widths can be multiples of `round_to` under `policy`."""
    require_whole("round_to", round_to, 1, ", such as 64")
    taken = policy.where.takes & policy.how.made() & {Removal, Rewiring}
    if round_to > 1 and taken:
        raise InputError(
            f"round_to {round_to}: where {policy.names.where} with how {policy.names.how} changes networks by "
            f"{named(taken)}, one by one: leave round_to out, or choose strategies that only add units"
        )


@dataclass(frozen=True)
class Rounding:
    """What makes the widths of `sites` multiples of `round_to`; where units are several channels, of both.

    `within` is what all events that are still to come may add together.
    """

    round_to: int
    sites: Mapping[str, Site]
    within: Allowance

    @staticmethod
    def of(round_to: int, sites: Mapping[str, Site], within: Allowance) -> Rounding:
        """As above, with the room for each site in `within` cut to whole steps."""
        plain = Rounding(round_to, sites, within)
        caps = {name: plain.below(name, min(cap, within.units)) for name, cap in within.caps.items()}
        return replace(plain, within=replace(within, caps=caps))

    def step(self, name: str) -> int:
        """Units from one width of a site to the next."""
        channels = self.sites[name].granularity
        return math.lcm(self.round_to, channels) // channels

    def missing(self, name: str, units: int) -> int:
        """How many units a site with `units` more lacks to the next width."""
        return -(self.sites[name].units + units) % self.step(name)

    def below(self, name: str, units: int) -> int:
        """The most units of at most `units` that make a whole width; 0 where there are none."""
        return max(0, units - (self.sites[name].units + units) % self.step(name))

    def allowed(self, event: Allowance) -> Allowance:
        """Return what an event may add, and nothing at sites that have no room for a whole step any more."""
        return replace(event, caps={name: min(cap, self.within.caps[name]) for name, cap in event.caps.items()})

    def widened(self, plan: Mapping[str, int]) -> dict[str, int]:
        """Return at each site the units of its plan and those that are missing to the next width."""
        return {
            name: min(units + (self.missing(name, units) or self.step(name)), max(units, self.within.caps[name]))
            if name in self.sites
            else units
            for name, units in plan.items()
        }

    def whole(
        self,
        chosen: Sequence[Candidate],
        proposed: Sequence[Candidate],
        ledger: Ledger,
        state: dict[str, Any],
        last: bool = False,
    ) -> list[Candidate]:
        """Return whole steps in the place of what a selector chose: as near to as many units in all as can be.

        The site that is owed the largest part of its next step gets it first, as far as the budget goes, with the
        candidates that come next there. What a site was owed, and did not get, counts at the next event.

        Args:
            chosen: by the selector.
            proposed: for these sites, best first within a site.
            ledger: of `within`, empty; it is used up.
            state: what is kept between events; changed.
            last: whether no event follows: then nothing that was given too early is taken back.
        """
        owed: dict[str, float] = state.get("owed", {})
        names = dict.fromkeys(c.site for c in chosen if c.site in self.sites)
        lines = {name: _in_line(name, chosen, proposed) for name in names}
        wanted = {name: sum(c.site == name for c in chosen) + owed.get(name, 0.0) for name in lines}
        if last:
            wanted = {name: want - min(0.0, owed.get(name, 0.0)) for name, want in wanted.items()}
        given = dict.fromkeys(lines, 0)
        found = [c for c in chosen if c.site not in self.sites and ledger.take(c)]  # layers beside units
        open_sites = set(lines)
        while open_sites:
            needs = {name: self.missing(name, given[name]) or self.step(name) for name in sorted(open_sites)}
            name = max(needs, key=lambda each: (wanted[each] - given[each]) / needs[each])
            rest = sum(wanted.values()) - sum(given.values())
            more = lines[name][given[name] : given[name] + needs[name]]
            after = replace(ledger, units=dict(ledger.units), widths=dict(ledger.widths))
            fits = len(more) == needs[name] and _apart(found, more) and all(after.take(c) for c in more)
            if not fits or wanted[name] <= given[name] or 2 * rest < needs[name]:
                open_sites.remove(name)
                continue
            ledger, given[name] = after, given[name] + needs[name]
            found += more
        state["owed"] = owed | {name: wanted[name] - given[name] for name in lines}
        return found


def first_of(proposed: Sequence[Candidate], plan: Mapping[str, int]) -> list[Candidate]:
    """Return of the candidates of each site as many as the plan says, the first ones."""
    seen: Counter[str] = Counter()
    found = []
    for candidate in proposed:
        seen[candidate.site] += 1
        if seen[candidate.site] <= plan.get(candidate.site, 1):
            found.append(candidate)
    return found


def unlimited(names: Sequence[str]) -> Allowance:
    """Return what may be added without a budget."""
    return Allowance(dict.fromkeys(names, UNLIMITED), dict.fromkeys(names, UNLIMITED), UNLIMITED)


def _in_line(name: str, chosen: Sequence[Candidate], proposed: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of a site: those that were chosen, then the others."""
    own = [c for c in chosen if c.site == name]
    known = {(type(c), c.index) for c in own}
    return own + [c for c in proposed if c.site == name and (type(c), c.index) not in known]


def _apart(taken: Sequence[Candidate], more: Sequence[Candidate]) -> bool:
    """Whether no unit is changed twice that may be changed once only."""
    changed: dict[tuple[str, int], bool] = {}
    for c in (*taken, *more):
        if c.unit is None:
            continue
        if (c.site, c.unit) in changed and (c.alone or changed[c.site, c.unit]):
            return False
        changed[c.site, c.unit] = c.alone
    return True

"""The account of one event: what is taken of its allowance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from growsearch.growth.allowance import UNLIMITED, Allowance
from growsearch.growth.candidate import Candidate
from growsearch.growth.cost import NetworkCost


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

    def fitting(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Take all that fit, in this order; a unit is changed once, or copied several times."""
        changed: dict[tuple[str, int], bool] = {}
        chosen = []
        for c in candidates:
            if c.unit is not None and (c.site, c.unit) in changed and (c.alone or changed[c.site, c.unit]):
                continue
            if self.take(c):
                chosen.append(c)
                if c.unit is not None:
                    changed[c.site, c.unit] = c.alone
        return chosen

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

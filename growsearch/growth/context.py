"""What the three strategies of one event see, with the statistics that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused
from growsearch.graph import BlockSite, DepthSite, NetworkGraph, Site
from growsearch.growth.allowance import Allowance
from growsearch.growth.candidate import ADDING, Kinds
from growsearch.growth.cost import NetworkCost
from growsearch.growth.ledger import Ledger
from growsearch.growth.reporting import Report, silent
from growsearch.growth.statistics.decompose import Triplets
from growsearch.growth.statistics.depth_strength import DepthStrength
from growsearch.growth.statistics.sweep import Statistics
from growsearch.growth.statistics.triplets import GradientTriplets
from growsearch.growth.strategy import Strategy


@dataclass
class GrowthContext:
    """One event: the network, the sites it may change, and what it may add.

    `sites` are the candidates for widening, `depth_sites` those for new layers, `block_sites` those for whole blocks;
    only one of the three is not empty.
    `layer_sites` are the depth sites at which an initializer that widens may propose layers beside.
    `generator` is the growth's own source of random numbers; `state` what the strategies remember between events,
    by their group.
    `held_out` are batches for the selector alone. `fresh` are batches that all strategies leave alone: what they did is
    measured there. `report(done, total, what)` is
    for strategies that work for long. `takes` are the kinds of candidates that the
    selector takes. `ages` are the steps since
    each unit of a site was new or split, `minimum_age` the least at which a unit may be split or removed. `trainable`
    are the names of the parameters that train (None: all), `optimizer` trains them.
    """

    model: nn.Module
    graph: NetworkGraph
    sites: Mapping[str, Site]
    depth_sites: Mapping[str, DepthSite]
    allowance: Allowance
    generator: torch.Generator
    state: dict[str, dict[str, Any]]
    objective: Callable[[nn.Module, Any], Tensor] | None = None
    batches: Sequence[Any] = ()
    takes: Kinds = ADDING
    layer_sites: Mapping[str, DepthSite] = field(default_factory=dict)
    ages: Mapping[str, Sequence[int]] = field(default_factory=dict)
    minimum_age: int = 0
    trainable: frozenset[str] | None = None
    held_out: Sequence[Any] = ()
    fresh: Sequence[Any] = ()
    optimizer: Optimizer | Sequence[Optimizer] | None = None
    report: Report = silent
    block_sites: Mapping[str, BlockSite] = field(default_factory=dict)
    _statistics: Statistics | None = field(default=None, init=False)

    @property
    def names(self) -> list[str]:
        """Names of the sites that may change, in the order of the network."""
        return [*self.sites, *self.depth_sites, *self.block_sites]

    def state_of(self, strategy: Strategy) -> dict[str, Any]:
        """What one strategy remembers between events: plain data, which checkpoints hold; it is its own to change."""
        own: dict[str, Any] = self.state.setdefault(strategy.group, {})
        return own

    def ledger(self) -> Ledger:
        """A new ledger of this event's allowance."""
        return Ledger(self.allowance, NetworkCost(self.model, self.graph), self.graph.flops)

    def pool(self, multiplier: float) -> dict[str, int]:
        """For every site, `multiplier` times its even share, as far as it may gain so much: what a selector ranks."""
        allowance = self.allowance
        return {
            name: min(int(multiplier * max(1, allowance.requests[name])), allowance.caps[name], allowance.units)
            for name in self.names
        }

    def eligible(self, site: str) -> list[int]:
        """The units of a site that are old enough to be split or removed."""
        ages = self.ages.get(site)
        units = range(self.sites[site].units)
        return list(units) if ages is None else [unit for unit in units if ages[unit] >= self.minimum_age]

    @property
    def statistics(self) -> Statistics:
        """What is known of the network as it is; `GrowthRefused` without objective and batches.

        Ask for all that is needed at once: one sweep over the batches answers it, and what another strategy has asked
        for is known already.
        """
        if self._statistics is None:
            objective, batches = self.needed("gradients")
            self._statistics = Statistics(self.model, self.graph, objective, batches, self.generator)
        return self._statistics

    def forget_statistics(self) -> None:
        """Let go of what is known of the network, before it changes: that may take as much memory as the network."""
        if self._statistics is not None:
            self._statistics.forget()

    def triplets(self, plan: Mapping[str, int]) -> dict[str, list[Triplets]]:
        """Leading singular triplets of the gradient matrices: per site one entry for each channel of its units.

        Raises `GrowthRefused` without objective and batches, and where a site has no gradient matrix.
        """
        requests = {name: GradientTriplets(name, units) for name, units in plan.items() if units > 0}
        if not requests:
            return {}
        self.statistics.collect(requests.values())
        return {name: self.statistics.get(request) for name, request in requests.items()}

    def strengths(self, plan: Mapping[str, int]) -> dict[str, float]:
        """For depth sites, the largest singular value of the gradient of a linear layer inserted there."""
        requests = {name: DepthStrength(name, self.depth_sites[name]) for name in plan}
        if not requests:
            return {}
        self.statistics.collect(requests.values())
        return {name: self.statistics.get(request) for name, request in requests.items()}

    def needed(self, what: str) -> tuple[Callable[[nn.Module, Any], Tensor], Sequence[Any]]:
        """Objective and batches; `GrowthRefused` without them."""
        if self.objective is None or not self.batches:
            raise GrowthRefused(f"this strategy needs {what}: give objective=... and batches=...")
        return self.objective, self.batches

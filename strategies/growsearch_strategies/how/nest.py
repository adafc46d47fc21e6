"""NeST's growth and pruning as candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from growsearch.graph import Site
from growsearch.growth import Candidate, GrowthContext, Initializer, Kinds, Need, NewUnit, Removal, Rewiring
from growsearch.growth.statistics.bridging import BridgingGradient, fully_connected
from growsearch.surgery import Edit
from growsearch_strategies.nest.connections import dead, pruned, regrown, seeded
from growsearch_strategies.nest.feature_maps import feature_maps
from growsearch_strategies.nest.neurons import neurons


class NeST(Initializer):
    """A sparse seed grows connections, neurons and feature maps, then is pruned by magnitude.

    The first `grow_events` events regrow the dormant connections with the largest gradient and add units; every later
    one prunes the connections of smallest magnitude, until `density` of those at the first pruning is left, and
    removes the units that earlier prunings have cut off. The magnitude of a weight is that after batch normalisation,
    where a layer has one right behind it. One threshold holds for the weights of all sites. What the
    paper leaves open, and how it is here: how dense the seed is (drawn per weight, every unit keeps a connection, the
    living weights scaled by the root of how much rarer they are, without which a sparse seed hardly trains), how
    many events grow, that a regrown connection starts at 0 (so the function stays, and the next step of plain SGD makes
    it -lr times its gradient), that of several neurons at one site each takes the next share of the entries of B, and
    the sign: a new neuron acts against B, downhill. Partial-area convolutions, which save no parameters, are left out.

    Connections change where the selector understands it (`where: nest`); with another one it adds units, and nothing is
    pruned.
    """

    summary: ClassVar[str] = "a sparse seed that grows by the gradient and is pruned by magnitude"
    source: ClassVar[str] = (
        "Dai, Yin and Jha 2017, NeST: A Neural Network Synthesis Tool Based on a Grow-and-Prune Paradigm"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    why: ClassVar[str] = "ends far sparser than it started, at the same accuracy"
    finds_size: ClassVar[str] = "the sparsity of each layer, at a given density of the whole"
    usual: ClassVar[tuple[str, str]] = ("interval", "nest")
    preserves: ClassVar[str] = "the function where connections regrow; new units and pruning change it"
    exact: ClassVar[bool] = False
    makes: ClassVar[Kinds] = frozenset({NewUnit, Removal, Rewiring})

    seed_density: float = Field(0.2, gt=0, le=1, description="share of the seed's connections that are alive")
    grow_events: int = Field(4, ge=0, description="events that grow, before those that prune")
    regrow: float = Field(0.2, ge=0, le=1, description="share of the dormant connections that an event regrows")
    prune: float = Field(0.3, gt=0, lt=1, description="share of the connections that an event prunes")
    density: float = Field(0.05, gt=0, le=1, description="share of the connections at which pruning stops")
    beta: float = Field(0.1, gt=0, le=1, description="growth ratio: share of the entries of B that make a neuron")
    alpha: float = Field(0.5, gt=0, description="birth strength: a unit's mean weight, in mean weights of its layers")
    trials: int = Field(8, ge=1, description="sets of random feature maps, of which the best is taken")

    def seed_edits(self, model: nn.Module, sites: Mapping[str, Site], generator: torch.Generator) -> list[Edit]:
        return [] if self.seed_density == 1 else seeded(model, sites, self.seed_density, generator)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        context.needed("gradients")
        state = context.state_of(self)
        events = int(state.get("events", 0))
        state["events"] = events + 1
        if Rewiring in context.takes and events >= self.grow_events:
            return [*pruned(context, self.prune, self.density, state), *dead(context)]
        found = regrown(context, self.regrow) if Rewiring in context.takes else []
        return found + self._units(plan, context)

    def _units(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in plan.items() if units > 0}
        sites = context.sites
        linear = [name for name in plan if fully_connected(context.graph, context.model, sites[name])]
        requests = {name: BridgingGradient(name) for name in linear}
        context.statistics.collect(requests.values())
        bridges = {name: context.statistics.get(request) for name, request in requests.items()}
        found: list[Candidate] = []
        for name, units in plan.items():
            if name in linear:
                found += neurons(context, name, bridges[name], units, self.beta, self.alpha)
            else:
                found += feature_maps(context, name, units, self.trials, self.alpha)
        return found

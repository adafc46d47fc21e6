"""Singular triplets of gradient matrices, as a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from growsearch.graph import NetworkGraph
from growsearch.growth.objective import Objective
from growsearch.growth.statistics.capture import Capture
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.decompose import Triplets
from growsearch.growth.statistics.endpoints import unit_channels
from growsearch.growth.statistics.sweep import Answer, Request, sweep


@dataclass(frozen=True)
class GradientTriplets(Request[list[Triplets]]):
    """For each channel of a site's units, the leading `units` singular triplets of its gradient matrix.

    The matrix is the mean over the batches' samples. Sites too wide for a dense matrix take several passes.
    """

    site: str
    units: int

    def start(self, model: nn.Module, graph: NetworkGraph) -> Answer[list[Triplets]]:
        """Begin; raises `GrowthRefused` where the site has no gradient matrix."""
        site = graph.sites[self.site]
        return _Answer([ChannelProblem(model, graph, site, i, self.units) for i in range(unit_channels(site))])

    def covers(self, other: Request[Any]) -> bool:
        """As many triplets, or more."""
        return isinstance(other, GradientTriplets) and other.site == self.site and other.units <= self.units


class _Answer(Answer[list[Triplets]]):
    def __init__(self, problems: Sequence[ChannelProblem]) -> None:
        super().__init__()
        self._problems = problems
        self.inputs_of = frozenset(end.module for problem in problems for end in problem.producers)
        self.gradients_of = frozenset(end.module for problem in problems for end in problem.consumers)

    def add(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        for problem in self._pending():
            problem.update(seen, weight, generator)

    def end_pass(self, generator: torch.Generator) -> None:
        for problem in self._pending():
            problem.end_pass(generator)
        if not self._pending():
            self.result = [problem.triplets for problem in self._problems if problem.triplets is not None]

    def _pending(self) -> list[ChannelProblem]:
        return [problem for problem in self._problems if problem.triplets is None]


def gradient_triplets(
    model: nn.Module,
    graph: NetworkGraph,
    plan: Mapping[str, int],
    objective: Objective,
    batches: Sequence[Any],
    generator: torch.Generator,
) -> dict[str, list[Triplets]]:
    """For each site of `plan` and channel of its units, the leading `plan[site]` triplets, in one sweep.

    Args:
        model: the network.
        graph: its graph.
        plan: triplets by site.
        objective: `objective(model, batch) -> loss`.
        batches: on which the matrices are found.
        generator: of the random start of wide sites.
    """
    answers = {name: GradientTriplets(name, units).start(model, graph) for name, units in plan.items() if units > 0}
    sweep(model, list(answers.values()), objective, batches, generator)
    return {name: answer.value() for name, answer in answers.items()}

"""The bridging gradient of NeST: how the loss would change by a connection from the layer before to the layer after.

Entry `[m, n]` of B is E[g_m x_n]: `x` is what the producers of a site read, `g` the loss gradient at what its consumers
give (Dai et al. 2017, section on neuron growth). Convolutions have an entry for every pair of taps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth.statistics.capture import Capture
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.endpoints import Endpoint, consumers, distinct, producers, unit_channels
from growsearch.growth.statistics.sweep import Answer, Request


def fully_connected(graph: NetworkGraph, model: nn.Module, site: Site) -> bool:
    """Whether a site lies between linear layers only, each called once, with one weight for every pair of units."""
    if unit_channels(site) > 1:
        return False
    try:
        ends = (producers(graph, model, site, 0), consumers(graph, model, site, 0))
    except GrowthRefused:
        return False
    plain = all(not end.kernel and end.slots == 1 for group in ends for end in group)
    return plain and all(len(distinct(group)) == len(group) for group in ends)


@dataclass(frozen=True)
class BridgingGradient(Request[Tensor]):
    """B `[outputs of the consumers, inputs of the producers]` of a site, the mean over the batches' samples.

    Between linear layers it is what the paper has, whatever lies between. Elsewhere it is the matrix of GradMax, in
    which the path's derivative at zero counts too.
    """

    site: str

    def start(self, model: nn.Module, graph: NetworkGraph) -> Answer[Tensor]:
        """Begin; raises `GrowthRefused` where the site has no such matrix."""
        site = graph.sites[self.site]
        if fully_connected(graph, model, site):
            return _Between(producers(graph, model, site, 0), consumers(graph, model, site, 0))
        return _Matrix([ChannelProblem(model, graph, site, channel, 1) for channel in range(unit_channels(site))])


class _Sum(Answer[Tensor]):
    """Parts of the batches, added up."""

    def __init__(self) -> None:
        super().__init__()
        self._total: Tensor | None = None

    def add(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        part = self._part(seen) * weight
        self._total = part if self._total is None else self._total + part

    def end_pass(self, generator: torch.Generator) -> None:
        self.result = self._total

    @abstractmethod
    def _part(self, seen: Capture) -> Tensor: ...


class _Between(_Sum):
    """Between linear layers."""

    def __init__(self, firsts: Sequence[Endpoint], seconds: Sequence[Endpoint]) -> None:
        super().__init__()
        self._firsts, self._seconds = firsts, seconds
        self.inputs_of = frozenset(end.module for end in firsts)
        self.gradients_of = frozenset(end.module for end in seconds)

    def _part(self, seen: Capture) -> Tensor:
        return _rows(seen.gradients, self._seconds).T @ _rows(seen.inputs, self._firsts)


class _Matrix(_Sum):
    """The gradient matrix."""

    def __init__(self, problems: Sequence[ChannelProblem]) -> None:
        super().__init__()
        self._problems = problems
        self.inputs_of = frozenset(end.module for problem in problems for end in problem.producers)
        self.gradients_of = frozenset(end.module for problem in problems for end in problem.consumers)

    def _part(self, seen: Capture) -> Tensor:
        return torch.cat([problem.operator(seen).dense() for problem in self._problems])


def _rows(tensors: Mapping[tuple[str, int], Tensor], ends: Sequence[Endpoint]) -> Tensor:
    """`[samples and positions, channels of all layers]`, in float32 or better."""
    parts = []
    for end in ends:
        value = tensors.get((end.module, 0))
        if value is None:
            raise GrowthRefused(f"the objective does not run, or does not depend on, layer {end.module!r}")
        parts.append(value.reshape(-1, value.shape[-1]))
    rows = torch.cat(parts, 1)
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows

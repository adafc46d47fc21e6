"""The gradient matrix of one site, collected batch by batch and decomposed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth.objective import Objective
from growsearch.growth.statistics.capture import Capture, capture
from growsearch.growth.statistics.decompose import EXACT_SIDE, BlockKrylov, Triplets, exact
from growsearch.growth.statistics.endpoints import Endpoint, consumers, producers
from growsearch.growth.statistics.operator import GradientOperator
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.surgery import undisturbed


class ChannelProblem:
    """The leading triplets of one channel of one site, fed batch by batch; holds no activations between batches."""

    def __init__(
        self,
        model: nn.Module,
        graph: NetworkGraph,
        site: Site,
        channel: int,
        units: int,
        between: type[PathJacobian] = PathJacobian,
    ) -> None:
        self.model, self.units = model, units
        self.path = between(graph, model, site)
        self.path.require_linear()
        self.producers = producers(graph, model, site, channel)
        self.consumers = consumers(graph, model, site, channel)
        self.triplets: Triplets | None = None
        self._calls = Counter(call.target for call in graph.calls.values() if call.kind == "module")
        self._patch: Tensor | None = None
        self._passes = 0
        self._sum: Tensor | None = None
        self._iteration: BlockKrylov | None = None

    def update(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        """Add one batch to the pass under way; an objective may run the network several times, on two views, say."""
        for operator in self.operators(seen):
            self._add(operator, weight, generator)

    def operators(self, seen: Capture) -> list[GradientOperator]:
        """The gradient matrix of one batch, run by run."""
        return [self.operator(seen, run) for run in self._runs(seen)]

    def _runs(self, seen: Capture) -> list[int]:
        """The runs of the network on which the objective depends: not those without gradients, of a teacher, say."""
        modules = {end.module for end in (*self.producers, *self.consumers)}
        count = max(-(-seen.runs[module] // self._calls[module]) for module in modules)
        ends = {run: [self._key(c, run) for c in self.consumers] for run in range(count)}
        return [run for run, keys in ends.items() if any(key in seen.gradients for key in keys)] or [0]

    def _key(self, end: Endpoint, run: int) -> tuple[str, int]:
        return end.module, end.index + run * self._calls[end.module]

    def _add(self, operator: GradientOperator, weight: float, generator: torch.Generator) -> None:
        if self._passes == 0:
            patch = operator.mean_patch() * weight
            self._patch = patch if self._patch is None else self._patch + patch
        if self._dense(operator):
            share = operator.dense() * weight
            self._sum = share if self._sum is None else self._sum + share
            return
        if self._iteration is None:
            like = next(iter(operator.inputs.values()))
            self._iteration = BlockKrylov(operator.rows, operator.cols, self.units, generator, like)
        self._iteration.update(operator, weight)

    def end_pass(self, generator: torch.Generator) -> None:
        """Solve, or prepare the next pass."""
        self._passes += 1
        if self._sum is not None:
            self.triplets = self._with_activity(exact(self._sum, self.units, generator))
            self._sum = None
        elif self._iteration is not None:
            self._iteration.end_pass()
            if self._iteration.done:
                self.triplets = self._with_activity(self._iteration.result())

    def _with_activity(self, triplets: Triplets) -> Triplets:
        assert self._patch is not None
        return replace(triplets, activity=triplets.right @ self._patch.float())

    def _dense(self, operator: GradientOperator) -> bool:
        small = min(operator.rows, operator.cols) <= EXACT_SIDE
        return small and (self.path.scalar or operator.rows <= EXACT_SIDE)

    def operator(self, seen: Capture, run: int = 0) -> GradientOperator:
        """The gradient matrix of one batch, of what one run of the network contributes."""
        inputs = {p.call: seen_at(seen.inputs, self._key(p, run)) for p in self.producers}
        gradients = {c.call: seen_at(seen.gradients, self._key(c, run)) for c in self.consumers}
        grids = {p.call: seen.grids[self._key(p, run)] for p in self.producers}
        grids |= {f"{c.call}:input": seen.input_grids[self._key(c, run)] for c in self.consumers}
        return GradientOperator(self.model, self.path, self.producers, self.consumers, inputs, gradients, grids)


def require_gradient_matrix(model: nn.Module, graph: NetworkGraph, site: Site) -> None:
    """`GrowthRefused` where a site has no gradient matrix; nothing is run."""
    _ = ChannelProblem(model, graph, site, 0, 1).path.slopes


def batch_size(batch: Any) -> int:
    """Samples in a batch: the first dimension of the first tensor in it."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else 1
    values = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((batch_size(v) for v in values if isinstance(v, Tensor | Mapping | list | tuple)), 1)


def capture_ends(model: nn.Module, objective: Objective, batch: Any, problems: Sequence[ChannelProblem]) -> Capture:
    """One pass: the inputs of all producers and the loss gradients at the outputs of all consumers.

    Args:
        model: the network.
        objective: the loss of a batch.
        batch: one.
        problems: whose ends are captured, in one pass.
    """
    firsts = {p.module for problem in problems for p in problem.producers}
    seconds = {c.module for problem in problems for c in problem.consumers}
    with undisturbed(model):
        return capture(model, objective, batch, inputs_of=firsts, gradients_of=seconds)


def seen_at(tensors: Mapping[tuple[str, int], Tensor], key: tuple[str, int]) -> Tensor:
    """What was recorded at a layer; raises `GrowthRefused` where the objective does not reach it."""
    if key not in tensors:
        raise GrowthRefused(f"the objective does not run, or does not depend on, layer {key[0]!r}")
    return tensors[key]

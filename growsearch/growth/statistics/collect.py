"""Collect the gradient matrices of many sites, and decompose them, in one sweep over the batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import DepthSite, NetworkGraph, Site
from growsearch.growth.statistics.capture import Capture, capture
from growsearch.growth.statistics.decompose import EXACT_SIDE, BlockKrylov, Triplets, exact
from growsearch.growth.statistics.endpoints import Endpoint, consumers, producers, unit_channels
from growsearch.growth.statistics.operator import GradientOperator
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.surgery import undisturbed

Objective = Callable[[nn.Module, Any], Tensor]


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
        inputs = {p.call: _seen_at(seen.inputs, self._key(p, run)) for p in self.producers}
        gradients = {c.call: _seen_at(seen.gradients, self._key(c, run)) for c in self.consumers}
        grids = {p.call: seen.grids[self._key(p, run)] for p in self.producers}
        grids |= {f"{c.call}:input": seen.input_grids[self._key(c, run)] for c in self.consumers}
        return GradientOperator(self.model, self.path, self.producers, self.consumers, inputs, gradients, grids)


def require_gradient_matrix(model: nn.Module, graph: NetworkGraph, site: Site) -> None:
    """`GrowthRefused` where a site has no gradient matrix; nothing is run."""
    _ = ChannelProblem(model, graph, site, 0, 1).path.slopes


def gradient_triplets(
    model: nn.Module,
    graph: NetworkGraph,
    plan: Mapping[str, int],
    objective: Objective,
    batches: Sequence[Any],
    generator: torch.Generator,
) -> dict[str, list[Triplets]]:
    """For each site of `plan` and channel of its units, the leading `plan[site]` triplets of its gradient matrix.

    The matrix is the mean over the batches' samples. Every pass runs each batch once for all sites, in the mode the
    model is in; running statistics, gradients and random state are left as they were. Sites too wide for a dense matrix
    take several passes; with a single batch its activations are kept instead.

    Args:
        model: the network, in the mode in which it is to be looked at.
        graph: its graph.
        plan: by site, how many triplets.
        objective: the loss of a batch.
        batches: all that count.
        generator: for the starts of iterations.
    """
    problems = {
        name: [
            ChannelProblem(model, graph, graph.sites[name], i, units) for i in range(unit_channels(graph.sites[name]))
        ]
        for name, units in plan.items()
        if units > 0
    }
    every = [p for group in problems.values() for p in group]
    sizes = [batch_size(batch) for batch in batches]
    seen: Capture | None = None
    while pending := [p for p in every if p.triplets is None]:
        for batch, size in zip(batches, sizes, strict=True):
            if seen is None or len(batches) > 1:
                # The activations of one batch go before those of the next come.
                seen = None
                seen = capture_ends(model, objective, batch, every)
            for problem in pending:
                problem.update(seen, size / sum(sizes), generator)
        for problem in pending:
            problem.end_pass(generator)
    return {name: [p.triplets for p in group if p.triplets is not None] for name, group in problems.items()}


def depth_strengths(
    model: nn.Module, places: Mapping[str, DepthSite], objective: Objective, batches: Sequence[Any]
) -> dict[str, float]:
    """For each depth site, the largest singular value of the gradient of a linear layer inserted at the identity.

    That is the mean over samples of the sum over positions of (loss gradient) (activation)' of the module's output.

    Args:
        model: the network.
        places: places for a layer, by name.
        objective: the loss of a batch.
        batches: all that count.
    """
    totals: dict[str, Tensor] = {}
    sizes = [batch_size(batch) for batch in batches]
    for batch, size in zip(batches, sizes, strict=True):
        for name, matrix in _depth_gradients(model, places, objective, batch).items():
            share = matrix * (size / sum(sizes))
            totals[name] = totals[name] + share if name in totals else share
    return {name: float(torch.linalg.matrix_norm(m, 2)) for name, m in totals.items()}


def _depth_gradients(
    model: nn.Module, places: Mapping[str, DepthSite], objective: Objective, batch: Any
) -> dict[str, Tensor]:
    with undisturbed(model):
        seen = capture(model, objective, batch, gradients_of=places, outputs_of=places)
    return {
        name: _channel_rows(_seen_at(seen.gradients, (name, 0)), place).T @ _channel_rows(seen.outputs[name, 0], place)
        for name, place in places.items()
    }


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


def _seen_at(tensors: Mapping[tuple[str, int], Tensor], key: tuple[str, int]) -> Tensor:
    if key not in tensors:
        raise GrowthRefused(f"the objective does not run, or does not depend on, layer {key[0]!r}")
    return tensors[key]


def _channel_rows(value: Tensor, place: DepthSite) -> Tensor:
    value = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    return (value.movedim(1, -1) if place.spatial else value).flatten(0, -2)

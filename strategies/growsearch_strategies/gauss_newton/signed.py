"""Directions of signed splits: (w + d, V/2 + c) and (w - d, V/2 - c), whose first-order change is `2 c phi'(z) d x`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from growsearch.growth.statistics.endpoints import layer_input_gradient, layer_weight_gradient
from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.moments import InputMetric, OutputMetric
from growsearch_strategies.gauss_newton.passes import Key, Seen, both_inputs
from growsearch_strategies.gauss_newton.site_problems import SiteProblem, layer_at
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem, outgoing_norms
from growsearch_strategies.gauss_newton.symmetric import Directions


class SignedSplits:
    """Power iteration for the top singular pair of every unit's `S^{-1/2} M A^{-1/2}`, all units in parallel.

    `M` is the second derivative of the loss by (c, d), `A` the second moment of the producer's input, `S` that of the
    sampled gradients at the consumer's output, both damped. `M` is used through its products only, as a difference over
    the finite `d`: two runs of the network and one convolution each. `d` has `size` times the norm of the unit's
    incoming weights, `c` the norm of its outgoing ones.
    """

    def __init__(self, surrogate: SurrogateProblem, size: float, damping: float, generator: torch.Generator) -> None:
        self.surrogate, self.size = surrogate, size
        self._directions = Directions(surrogate, size, generator)
        self._directions.normalise(size)
        self._problems = [problem for problem in surrogate.problems if problem.signed]
        self.outgoing: dict[str, Tensor] = {}
        self._inputs = {e.module: InputMetric(surrogate, e, damping) for p in self._problems for e in p.producers}
        self._outputs = {e.module: OutputMetric(surrogate, e, damping) for p in self._problems for e in p.consumers}

    @property
    def incoming(self) -> dict[str, Tensor]:
        """The directions `d`, by producer."""
        with torch.no_grad():
            return self._directions.shifts()

    def learn(self, batches: Sequence[Seen], iterations: int) -> None:
        """Iterate over all batches; each iteration solves for `c`, then for `d`, and ends with `c`."""
        for seen in batches:
            for incoming in self._inputs.values():
                incoming.observe(seen)
            for outgoing in self._outputs.values():
                outgoing.observe(seen)
        self._solve_outgoing(batches)
        for _ in range(iterations):
            self._solve_incoming(batches)
            self._solve_outgoing(batches)

    @torch.no_grad()
    def _solve_outgoing(self, batches: Sequence[Seen]) -> None:
        shifts = self.incoming
        total: dict[str, Tensor] = {}
        for seen in batches:
            change = secant(*both_inputs(self.surrogate, seen, shifts))
            for path, gradient in self._outgoing_gradients(seen, change).items():
                total[path] = total[path] + gradient if path in total else gradient
        self.outgoing = {path: -self._outputs[path].apply(gradient) for path, gradient in total.items()}
        for problem in self._problems:
            squares = [e.unit_norms(self.outgoing[e.module], problem.site.units) for e in problem.consumers]
            norms = torch.stack(squares).sum(0).sqrt()
            factor = torch.where(norms > 0, outgoing_norms(self.surrogate, problem) / norms.clamp_min(1e-30), 0.0)
            for end in problem.consumers:
                scaled = end.along_axis(factor - 1.0, self.outgoing[end.module]) + 1.0
                self.outgoing[end.module] = self.outgoing[end.module] * scaled

    def _outgoing_gradients(self, seen: Seen, change: Mapping[Key, Tensor]) -> dict[str, Tensor]:
        """Gradients of each sample's loss by the consumers' weights as far as they see `change`, by module."""
        found: dict[str, Tensor] = {}
        ends = {end.module: end for problem in self._problems for end in problem.consumers}
        for path, end in ends.items():
            layer = layer_at(self.surrogate.model, end)
            found[path] = wide(torch.zeros_like(layer.weight))
            for key in seen.keys(path):
                if key in seen.loss_out:
                    found[path] += layer_weight_gradient(layer, change[key], seen.loss_out[key]) / seen.samples
        return found

    def _solve_incoming(self, batches: Sequence[Seen]) -> None:
        free = self._directions.free
        total = {path: torch.zeros_like(value) for path, value in free.items()}
        for seen in batches:
            with torch.enable_grad():
                shifts = self._directions.shifts()
                plus, minus = both_inputs(self.surrogate, seen, shifts)
                change = secant(plus, minus)
                terms = [
                    outgoing_products(self.surrogate, seen, p, seen.loss_out, self.outgoing, change).mean(0).sum()
                    for p in self._problems
                ]
                found = torch.autograd.grad(torch.stack(terms).sum(), list(shifts.values()), allow_unused=True)
            for path, gradient in zip(shifts, found, strict=True):
                if gradient is not None:
                    total[path] += gradient
        with torch.no_grad():
            for path, gradient in total.items():
                if path in self._inputs:
                    gradient = -self._inputs[path].apply(gradient)
                self._directions.set(path, gradient)
            self._directions.normalise(self.size)


def secant(plus: Mapping[Key, Tensor], minus: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """What the outgoing part of a signed split acts on: the difference of both sides."""
    return {key: plus[key] - minus[key] for key in plus}


def signed_products(
    surrogate: SurrogateProblem, seen: Seen, outgoing: Mapping[str, Tensor], change: Mapping[Key, Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Per site with signed splits, `r` and `q` `[samples, units]` of the outgoing weights `c` acting on `change`.

    Args:
        surrogate: the problem.
        seen: one batch.
        outgoing: shifts, by consumer.
        change: of the activations.
    """
    return [
        (
            outgoing_products(surrogate, seen, problem, seen.loss_out, outgoing, change),
            outgoing_products(surrogate, seen, problem, seen.label_out, outgoing, change),
        )
        for problem in surrogate.problems
        if problem.signed
    ]


def outgoing_products(
    surrogate: SurrogateProblem,
    seen: Seen,
    problem: SiteProblem,
    gradients: Mapping[Key, Tensor],
    outgoing: Mapping[str, Tensor],
    change: Mapping[Key, Tensor],
) -> Tensor:
    """Products `[samples, units]` of gradients at the consumers' outputs and what `c` makes there of `change`.

    The gradients go back through each unit's `c`, in one transposed convolution a layer.

    Args:
        surrogate: the problem.
        seen: one batch.
        problem: the site.
        gradients: at the consumers' outputs.
        outgoing: shifts `c`, by consumer.
        change: of the activations.
    """
    found = torch.zeros(())
    for end in problem.consumers:
        layer = layer_at(surrogate.model, end)
        for key in seen.keys(end.module):
            if key in gradients:
                grid = tuple(change[key].shape[2:])
                back = layer_input_gradient(layer, gradients[key], outgoing[end.module], grid)
                found = found + end.per_unit(back * change[key], problem.site.units, seen.samples)
    return found

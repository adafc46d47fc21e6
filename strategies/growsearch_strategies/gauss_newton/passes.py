"""Runs of the network that show what a change of one site's units does, for all sites at once.

Every run, and what is differentiated through it, is inside `eval_no_dropout`: in evaluation mode, where the samples of
a batch do not see each other, because batch normalisation is the affine map of its running statistics and dropout is
off. So per-sample gradients are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from growsearch.errors import GrowthFailed
from growsearch.growth.statistics.vector_products import vector_products
from growsearch_strategies.gauss_newton.evaluation import network_output, wide
from growsearch_strategies.gauss_newton.known_outputs import KnownOutputs, is_plain
from growsearch_strategies.gauss_newton.outputs import sampled_gradient
from growsearch_strategies.gauss_newton.position_sums import position_sums
from growsearch_strategies.gauss_newton.site_problems import SiteProblem
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem

Key = tuple[str, int]
"""A module and how many times it ran before."""


@dataclass
class Seen:
    """One batch as the network is: inputs and outputs of the ends, and per-sample gradients at the consumers.

    `outputs` are those of plain layers.
    `loss_in` and `loss_out` are gradients of each sample's loss at the consumers' inputs (through that consumer alone)
    and outputs, `label_in` and `label_out` those for the sampled label.
    """

    batch: Any
    samples: int = 0
    loss: float = 0.0
    inputs: dict[Key, Tensor] = field(default_factory=dict)
    outputs: dict[Key, Tensor] = field(default_factory=dict)
    loss_in: dict[Key, Tensor] = field(default_factory=dict)
    label_in: dict[Key, Tensor] = field(default_factory=dict)
    loss_out: dict[Key, Tensor] = field(default_factory=dict)
    label_out: dict[Key, Tensor] = field(default_factory=dict)

    def keys(self, module: str) -> list[Key]:
        """All runs of a module."""
        return [key for key in self.inputs if key[0] == module]


def observe(surrogate: SurrogateProblem, batch: Any, generator: torch.Generator) -> Seen:
    """Run the objective once, and go back twice: from the loss, and from labels drawn from the network's own output.

    Raises `GrowthRefused` where the network's output cannot be seen, `GrowthFailed` where the loss is not finite.
    """
    seen = Seen(batch)
    ends: dict[Key, Any] = {}
    runs: Counter[str] = Counter()
    modules = surrogate.producers | surrogate.consumers

    def before(path: str) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            # A tensor of its own: its gradient is the one through this consumer.
            x = args[0].clone() if args[0].requires_grad else args[0].detach().clone().requires_grad_()
            seen.inputs[path, runs[path]] = x
            return (x, *args[1:])

        return hook

    def after(path: str, plain: bool) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            if plain:
                # A copy: an activation may follow in place.
                seen.outputs[path, runs[path]] = output.detach().clone()
            if path in surrogate.consumers:
                ends[path, runs[path]] = get_gradient_edge(output)
            runs[path] += 1

        return hook

    with torch.enable_grad(), ExitStack() as hooks:
        for path in sorted(modules):
            module = surrogate.model.get_submodule(path)
            plain = is_plain(module)
            hooks.callback(module.register_forward_pre_hook(before(path)).remove)
            hooks.callback(module.register_forward_hook(after(path, plain)).remove)
        loss, output = network_output(surrogate.model, surrogate.objective, batch)
        seen.loss, seen.samples = float(loss.detach()), len(output)
        if not torch.isfinite(loss.detach()).all():
            raise GrowthFailed(f"the objective is {seen.loss} on the statistics batch: the run has diverged")
        inputs = {key: x for key, x in seen.inputs.items() if key[0] in surrogate.consumers}
        sampled = sampled_gradient(loss, output, batch, surrogate.targets, generator)
        wanted = [*inputs.values(), *ends.values()]
        by_loss = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
        by_label = vector_products([output], wanted, [sampled])
    keys = [*inputs, *ends]
    for problem, found, scale in ((0, by_loss, seen.samples), (1, by_label, 1)):
        for index, (key, value) in enumerate(zip(keys, found, strict=True)):
            if value is not None:
                # The objective is a mean over the samples, the gradients are of each sample's own loss.
                store = (seen.loss_in, seen.label_in) if index < len(inputs) else (seen.loss_out, seen.label_out)
                store[problem][key] = wide(value.detach()) * scale
    seen.inputs = {key: x.detach() for key, x in seen.inputs.items()}
    return seen


def perturbed_inputs(
    surrogate: SurrogateProblem,
    seen: Seen,
    shifts: Mapping[str, Tensor],
    sign: float,
    moved: dict[Key, Tensor] | None = None,
) -> dict[Key, Tensor]:
    """The consumers' inputs with `sign * shifts[producer]` added to the weight of every producer, each site by itself.

    Every layer gets the input that it had in `seen`, so the change of one site is seen at its consumers and ends there:
    one run serves all sites, whatever lies between producers and consumers. The layers give the outputs of `seen`
    again and the product of the shift, which is the only one that is computed. Differentiable in the shifts.

    Args:
        surrogate: the problem.
        seen: one batch.
        shifts: of incoming weights, by producer.
        sign: of the shifts.
        moved: what the producers give for the shifts; what is not in it yet is computed and put there.
    """
    found: dict[Key, Tensor] = {}
    moved = {} if moved is None else moved
    runs: Counter[str] = Counter()
    known = KnownOutputs()

    def before(path: str) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            key = (path, runs[path])
            if path in surrogate.consumers:
                found[key] = wide(args[0])
            known.answer = seen.outputs.get(key)
            return (seen.inputs[key], *args[1:])

        return hook

    def after(path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            key = (path, runs[path])
            runs[path] += 1
            known.answer = None
            if path not in shifts:
                return output.clone() if output is seen.outputs.get(key) else output
            if key not in moved:
                moved[key] = _linear(module, args[0], shifts[path])
            return torch.add(output, moved[key], alpha=sign)

        return hook

    with ExitStack() as hooks:
        for path in sorted(surrogate.producers | surrogate.consumers):
            module = surrogate.model.get_submodule(path)
            hooks.callback(module.register_forward_pre_hook(before(path)).remove)
            hooks.callback(module.register_forward_hook(after(path)).remove)
        with known:
            surrogate.objective(surrogate.model, seen.batch)
    return found


def both_inputs(
    surrogate: SurrogateProblem, seen: Seen, shifts: Mapping[str, Tensor]
) -> tuple[dict[Key, Tensor], dict[Key, Tensor]]:
    """`perturbed_inputs` with the shifts added, and with the shifts taken away."""
    moved: dict[Key, Tensor] = {}
    plus = perturbed_inputs(surrogate, seen, shifts, 1.0, moved)
    return plus, perturbed_inputs(surrogate, seen, shifts, -1.0, moved)


def unit_products(
    surrogate: SurrogateProblem, seen: Seen, problem: SiteProblem, change: Mapping[Key, Tensor]
) -> tuple[Tensor, Tensor]:
    """`r` and `q` `[samples, units]`: the gradients times a change of the consumers' inputs, summed over positions.

    Args:
        surrogate: the problem.
        seen: one batch.
        problem: the site.
        change: of the activations.
    """
    units = problem.site.units
    r = torch.zeros(seen.samples, units)
    q = torch.zeros(seen.samples, units)
    for end in problem.consumers:
        for key in seen.keys(end.module):
            if key in seen.loss_in and key in change:
                by_loss, by_label = position_sums(change[key], seen.loss_in[key], seen.label_in[key], end.axis)
                r = r.to(change[key]) + end.unit_sums(by_loss, units, seen.samples)
                q = q.to(change[key]) + end.unit_sums(by_label, units, seen.samples)
    return r, q


def _linear(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """The layer with another weight and no bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    out: Tensor = layer._conv_forward(x, weight, None)
    return out

"""Where the mean of a removed unit goes: the bias of its consumer, or the mean of the normalisation behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph
from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.passes import Seen
from growsearch_strategies.gauss_newton.site_problems import End, SiteProblem, layer_at
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem


@dataclass(frozen=True)
class BiasCompensation:
    """What one consumer's output loses on average with each unit, `[outputs, units]`, and the tensor that takes it.

    `sign` is -1 for the running mean of a batch normalisation, which is subtracted.
    """

    module: str
    lost: Tensor
    tensor: str
    sign: float

    def offset(self, unit: int) -> Tensor:
        """What is added to the tensor when the unit goes."""
        return self.sign * self.lost[:, unit]


def bias_compensations(
    surrogate: SurrogateProblem, graph: NetworkGraph, problem: SiteProblem, batches: Sequence[Seen]
) -> list[BiasCompensation]:
    """The compensations of a problem's consumers, with the units' mean activations over `batches`.

    A consumer without a bias that is not followed by batch normalisation alone has none, nor has a grouped one: there
    units are removed without compensation.

    Args:
        surrogate: the problem.
        graph: of the network.
        problem: the site.
        batches: that give the means.
    """
    compensations = []
    for end in problem.consumers:
        target = None if end.grouped else _target(surrogate.model, graph, end)
        means = [_mean_input(seen, end) for seen in batches if seen.keys(end.module)]
        if target is not None and means:
            weight = layer_at(surrogate.model, end).weight.detach()
            by_channel = weight.reshape(*weight.shape[:2], -1).sum(2) * torch.stack(means).mean(0)
            lost = by_channel.new_zeros(len(by_channel), problem.site.units + 1)
            index = torch.where(end.owner < 0, problem.site.units, end.owner).to(by_channel.device)
            lost.index_add_(1, index, by_channel)
            compensations.append(BiasCompensation(end.module, lost[:, :-1], *target))
    return compensations


def _mean_input(seen: Seen, end: End) -> Tensor:
    inputs = [wide(seen.inputs[key]).movedim(end.axis, -1).flatten(0, -2) for key in seen.keys(end.module)]
    return torch.cat(inputs).mean(0)


def _target(model: nn.Module, graph: NetworkGraph, end: End) -> tuple[str, float] | None:
    if layer_at(model, end).bias is not None:
        return f"{end.module}.bias", 1.0
    own = {call.name for call in graph.calls.values() if call.kind == "module" and call.target == end.module}
    readers = [call for call in graph.calls.values() if own & {name for _, name in call.references()}]
    layers = {call.target for call in readers if call.kind == "module" and call.rule == "batch_norm"}
    if len(layers) == 1 and all(call.target in layers for call in readers):
        (path,) = layers
        if getattr(model.get_submodule(path), "running_mean", None) is not None:
            return f"{path}.running_mean", -1.0
    return None

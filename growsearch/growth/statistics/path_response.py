"""New units with zero outgoing weights: the loss gradient there, as a function of their incoming weights.

As long as the outgoing weights are zero, a unit changes nothing that the rest of the network computes: the inputs of
the producers and the loss gradients at the outputs of the consumers stay what they are. What lies between is run with
the new units as the only channels, so that a trial costs what these channels cost, not a pass through the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from growsearch.graph import Call, NetworkGraph, PathStep, operation
from growsearch.graph.replay import replay
from growsearch.graph.rules.pooling import takes_means
from growsearch.growth.objective import Objective
from growsearch.growth.statistics.capture import Capture
from growsearch.growth.statistics.collect import ChannelProblem, capture_ends
from growsearch.growth.statistics.decompose import require_finite
from growsearch.growth.statistics.endpoints import unit_channels
from growsearch.growth.statistics.operator import GradientOperator
from growsearch.growth.statistics.path_jacobian import PathJacobian

PROBES = (-3.0, -1.0, -0.1, 0.1, 1.0, 3.0)


class PathResponse(PathJacobian):
    """The path as it is, where `PathJacobian` has its derivative at zero."""

    def handler(self, call: Call) -> PathStep | None:
        """What `call` does to virtual channels; None where that is not known."""
        return operation(call.rule).respond or super().handler(call)

    @property
    def unit(self) -> float:
        """Everything at its own size."""
        return 1.0

    @property
    def linear(self) -> bool:
        """Whether what reaches the consumers is linear in the units' incoming weights."""
        return not any(call.rule == "batch_norm" or self._bends(call) for call in self.calls)

    def _bends(self, call: Call) -> bool:
        if call.rule == "pool":
            return not takes_means(self, call)
        if call.rule != "pointwise":
            return False
        points = torch.tensor(PROBES, dtype=torch.float64)
        return not torch.allclose(replay(self.model, call, points.clone()), points * self.slopes[call.name])


class OutgoingGradient:
    """One channel of a site, on one batch; vectors are of the type and on the device of `like`."""

    def __init__(self, runs: Sequence[GradientOperator]) -> None:
        self._runs = runs
        self.like = next(iter(runs[0].inputs.values()))

    def __call__(self, vectors: Float[Tensor, "r cols"]) -> Float[Tensor, "r rows"]:
        """For units with these incoming weights, the gradients at their outgoing ones."""
        return torch.stack([run.times(vectors) for run in self._runs]).sum(0)

    def ascent(self, vectors: Float[Tensor, "r cols"]) -> tuple[Float[Tensor, " r"], Float[Tensor, "r cols"]]:
        """The squared norms of these gradients, and their derivatives by the incoming weights."""
        found, pulls = [], []
        for run in self._runs:
            z = {name: value.requires_grad_() for name, value in run.activations(vectors).items()}
            with torch.enable_grad():
                carried = run.path.apply(z)
            found.append(run.at_consumers({name: v.detach() for name, v in carried.items()}, len(vectors)))
            pulls.append(_pull(run, z, carried))
        gradients = torch.stack(found).sum(0)
        slopes = torch.stack([pull(gradients) for pull in pulls]).sum(0)
        require_finite(slopes)
        return gradients.square().sum(1), 2 * slopes


def _pull(run: GradientOperator, z: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda gradients: run.pull(gradients, z, carried)


class OutgoingGradients:
    """The gradients at zero outgoing weights of several sites."""

    def __init__(self, model: nn.Module, graph: NetworkGraph, names: Sequence[str], objective: Objective) -> None:
        self._model, self._objective = model, objective
        self._unit_channels = {
            name: [
                ChannelProblem(model, graph, graph.sites[name], channel, 1, PathResponse)
                for channel in range(unit_channels(graph.sites[name]))
            ]
            for name in names
        }

    def on(self, batch: Any) -> dict[str, list[OutgoingGradient]]:
        """For each site and channel; runs the network once, and holds its activations as long as they live."""
        every = [problem for group in self._unit_channels.values() for problem in group]
        seen: Capture = capture_ends(self._model, self._objective, batch, every)
        return {
            name: [OutgoingGradient(p.operators(seen)) for p in group] for name, group in self._unit_channels.items()
        }

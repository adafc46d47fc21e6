"""How much a new layer would matter, as a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph import DepthSite, NetworkGraph
from growsearch.growth.objective import Objective
from growsearch.growth.statistics.capture import Capture
from growsearch.growth.statistics.collect import seen_at
from growsearch.growth.statistics.sweep import Answer, Request, sweep


@dataclass(frozen=True)
class DepthStrength(Request[float]):
    """The largest singular value of the gradient of a linear layer inserted, as the identity, at a depth site.

    That is the mean over samples of the sum over positions of (loss gradient) (activation)' of the module's output.
    """

    name: str
    site: DepthSite = field(compare=False)

    def start(self, model: nn.Module, graph: NetworkGraph) -> Answer[float]:
        """Begin."""
        return _Answer(self.name, self.site)


class _Answer(Answer[float]):
    def __init__(self, name: str, site: DepthSite) -> None:
        super().__init__()
        self._name, self._site = name, site
        self._total: Tensor | None = None
        self.gradients_of = self.outputs_of = frozenset({name})

    def add(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        key = (self._name, 0)
        gradient = _channel_rows(seen_at(seen.gradients, key), self._site)
        share = gradient.T @ _channel_rows(seen.outputs[key], self._site) * weight
        self._total = share if self._total is None else self._total + share

    def end_pass(self, generator: torch.Generator) -> None:
        assert self._total is not None
        self.result = float(torch.linalg.matrix_norm(self._total, 2))


def depth_strengths(
    model: nn.Module, sites: Mapping[str, DepthSite], objective: Objective, batches: Sequence[Any]
) -> dict[str, float]:
    """The strength of each depth site, in one sweep.

    Args:
        model: the network.
        sites: depth sites by name.
        objective: `objective(model, batch) -> loss`.
        batches: on which they are found.
    """
    answers: dict[str, Answer[float]] = {name: _Answer(name, site) for name, site in sites.items()}
    sweep(model, list(answers.values()), objective, batches, torch.Generator())
    return {name: answer.value() for name, answer in answers.items()}


def _channel_rows(value: Tensor, site: DepthSite) -> Tensor:
    value = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    return (value.movedim(1, -1) if site.spatial else value).flatten(0, -2)

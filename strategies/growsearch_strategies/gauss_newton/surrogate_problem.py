"""What the Gauss-Newton model is made for: a network, its objective, and the sites whose units are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from growsearch_strategies.gauss_newton.outputs import Targets
from growsearch_strategies.gauss_newton.site_problems import SiteProblem, layer_at


@dataclass(frozen=True)
class SurrogateProblem:
    """The network, its objective, and the problems that are predicted."""

    model: nn.Module
    objective: Callable[[nn.Module, Any], Tensor]
    problems: Sequence[SiteProblem]
    targets: Targets

    @property
    def producers(self) -> set[str]:
        """Modules that produce units."""
        return {end.module for problem in self.problems for end in problem.producers}

    @property
    def consumers(self) -> set[str]:
        """Modules that consume units."""
        return {end.module for problem in self.problems for end in problem.consumers}


def incoming_norms(surrogate: SurrogateProblem, problem: SiteProblem) -> Tensor:
    """Norms `[units]` of the units' incoming weights, all producers together; their mean where one is 0."""
    squares = [end.unit_norms(layer_at(surrogate.model, end).weight, problem.site.units) for end in problem.producers]
    return _positive(torch.stack(squares).sum(0).sqrt())


def outgoing_norms(surrogate: SurrogateProblem, problem: SiteProblem) -> Tensor:
    """Norms `[units]` of the units' outgoing weights, all consumers together; their mean where one is 0."""
    squares = [end.unit_norms(layer_at(surrogate.model, end).weight, problem.site.units) for end in problem.consumers]
    return _positive(torch.stack(squares).sum(0).sqrt())


def _positive(norms: Tensor) -> Tensor:
    mean = norms.mean() if float(norms.sum()) > 0 else torch.ones_like(norms.mean())
    return torch.where(norms > 0, norms, mean)

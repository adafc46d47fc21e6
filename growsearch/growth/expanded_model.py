"""A copy of the network with many candidates installed, to learn and to judge them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph
from growsearch.growth.candidate import Candidate, NewLayer
from growsearch.growth.candidate_edits import planned_edits
from growsearch.surgery import apply_edits, grown_values, rename, substituted


class ExpandedModel:
    """A copy of `model` with `candidates` installed, whose changed tensors are differentiable in theirs.

    `model`, in the mode of the original, is the copy: its running statistics are its own, its parameters are constants.
    Weights between two new units are 0, as they are after the growth, so a part of the candidates gives the copy
    restricted to them. Raises `GrowthRefused` where the candidates cannot be installed together.
    """

    def __init__(self, model: nn.Module, graph: NetworkGraph, candidates: Sequence[Candidate]) -> None:
        self._base, self._graph = model, graph
        self.model = copy.deepcopy(model)
        with torch.no_grad():
            apply_edits(self.model, planned_edits(graph, candidates))
        self.model.requires_grad_(False)

    @contextmanager
    def substituted(self, candidates: Sequence[Candidate]) -> Iterator[nn.Module]:
        """Inside, the copy computes with these candidates' tensors: the same candidates, with other values."""
        values = grown_values(self._base, planned_edits(self._graph, candidates))
        insertions = [c.insertion for c in candidates if isinstance(c, NewLayer)]
        # Running statistics go on from where they are.
        parameters = {name for name, _ in self._base.named_parameters(remove_duplicate=False)}
        grown = {rename(name, insertions): value for name, value in values.items() if name in parameters}
        with substituted(self.model, grown):
            yield self.model

    def loss(
        self, candidates: Sequence[Candidate], objective: Callable[[nn.Module, Any], Tensor], batch: Any
    ) -> Tensor:
        """The objective with these candidates' tensors, differentiable in their fills, shifts and offsets."""
        with torch.enable_grad(), self.substituted(candidates) as model:
            return objective(model, batch)

"""Candidates judged by their gates: all of them in one copy of the network, each on its path (see `directions`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthFailed
from growsearch.graph import NetworkGraph
from growsearch.growth.candidate import Candidate, NewLayer, Split
from growsearch.growth.candidate_edits import paired
from growsearch.growth.directions import Start, start
from growsearch.growth.dropout import WithoutDropout, dropout_off
from growsearch.growth.expanded_model import ExpandedModel
from growsearch.growth.objective import Objective
from growsearch.surgery import substituted, undisturbed

STEP = 0.01


class Probes:
    """Candidates that can be installed together (see `together`), all of them in one copy of the network.

    Descent directions are those of the mean loss over `batches`. The copy runs in the mode of the original, without
    dropout, so that all points of a path see the same network. Raises `GrowthFailed` where the loss is not finite.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: NetworkGraph,
        candidates: Sequence[Candidate],
        objective: Objective,
        batches: Sequence[Any],
        step: float = STEP,
    ) -> None:
        self._objective = objective
        starts = [start(model, graph, c) for c in paired(graph.sites, candidates)]
        self.expanded = ExpandedModel(model, graph, [each.probe.base for each in starts])
        dropout_off(self.expanded.model)
        self.probes = [each.probe for each in starts]
        self._descend(starts, batches, step)

    def candidates(self, gates: Tensor) -> list[Candidate]:
        """The candidates at `gates` `[candidates]`, differentiable in them."""
        return [probe.at(gate) for probe, gate in zip(self.probes, gates.unbind(), strict=True)]

    @contextmanager
    def substituted(self, gates: Tensor) -> Iterator[nn.Module]:
        """Inside, the copy computes with the candidates at `gates`; differentiable in them."""
        inserted = {
            name: self.expanded.model.get_parameter(name).detach() + gate * value
            for probe, gate in zip(self.probes, gates.unbind(), strict=True)
            for name, value in probe.direction.inserted.items()
        }
        with (
            self.expanded.substituted(self.candidates(gates)) as model,
            substituted(model, inserted),
            WithoutDropout(),
        ):
            yield model

    def loss(self, gates: Tensor, batch: Any) -> Tensor:
        """The objective with the candidates at `gates`, differentiable in them."""
        with torch.enable_grad(), self.substituted(gates) as model:
            return self._objective(model, batch)

    def slopes(self, gates: Tensor, batches: Sequence[Any]) -> Tensor:
        """Derivative `[candidates]` of the mean loss over `batches` by each gate, at `gates`."""
        gates = gates.detach().requires_grad_()
        total = torch.zeros_like(gates, requires_grad=False)
        with undisturbed(self.expanded.model):
            for batch in batches:
                loss = self.loss(gates, batch)
                if loss.requires_grad:
                    total += torch.autograd.grad(loss, gates)[0]
        return total / len(batches)

    def gates(self, value: float) -> Tensor:
        """All gates at one value, in the network's type and on its device."""
        weight = next(self.expanded.model.parameters())
        return torch.full((len(self.probes),), value, dtype=weight.dtype, device=weight.device)

    def _descend(self, starts: Sequence[Start], batches: Sequence[Any], step: float) -> None:
        """Give the probes that take a step of descent their direction, from the network as it is."""
        free = [tensor for each in starts for tensor in each.free]
        if not free:
            return
        gates = self.gates(0.0)
        gates[[index for index, each in enumerate(starts) if each.free]] = 1.0
        total = [torch.zeros_like(tensor) for tensor in free]
        with undisturbed(self.expanded.model):
            for batch in batches:
                loss = self.loss(gates, batch)
                if not torch.isfinite(loss.detach()).all():
                    raise GrowthFailed(f"the objective is {float(loss)} on the statistics batch: the run has diverged")
                if not loss.requires_grad:  # it does not see these sites
                    continue
                found = torch.autograd.grad(loss, free, allow_unused=True)
                total = [t if g is None else t + g / len(batches) for t, g in zip(total, found, strict=True)]
        gradients = iter(total)
        self.probes = [each.finish([next(gradients) for _ in each.free], step) for each in starts]


def together(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Places of the candidates in groups that can be installed together: at most one change of a unit in each.

    Layers are in a group of their own, since they fit the network as wide as it is. Further exact splits of a unit are
    in no group: beside the first there is nothing more to learn about them.
    """
    layers = [index for index, c in enumerate(candidates) if isinstance(c, NewLayer)]
    groups: list[list[int]] = []
    seen: dict[tuple[str, int], int] = {}
    split: set[tuple[str, int]] = set()
    for index, c in enumerate(candidates):
        if isinstance(c, NewLayer):
            continue
        number = 0
        if c.unit is not None:
            key = (c.site, c.unit)
            if isinstance(c, Split) and c.exact:
                if key in split:
                    continue
                split.add(key)
            number = seen.get(key, 0)
            seen[key] = number + 1
        while len(groups) <= number:
            groups.append([])
        groups[number].append(index)
    return [*groups, layers] if layers else groups


def gate_scores(
    model: nn.Module,
    graph: NetworkGraph,
    candidates: Sequence[Candidate],
    objective: Objective,
    batches: Sequence[Any],
    points: int = 3,
    step: float = STEP,
) -> list[float]:
    """Score of each candidate: dL/d(gate), averaged over the path on which all gates go from 0 to 1 together.

    The path is sampled at (2z - 1) / 2n, z = 1 .. n = `points`, as in Firefly. Because a gate ends at 1, a score is the
    candidate's part of the change of the mean loss over `batches`, and the scores of candidates that can be installed
    together sum up to the whole change as `points` grows (completeness of integrated gradients). Candidates that cannot
    are scored in several copies of the network; a further exact split of one unit has the score 0.

    The paper's equation moves one gate while the others stay at their end, which costs `points` passes a candidate; its
    authors' code moves all of them, as this does.

    Args:
        model: the network.
        graph: its graph.
        candidates: that are scored.
        objective: the loss of a batch.
        batches: all that count.
        points: of the path from no candidate to all.
        step: length of a difference.
    """
    scores = [0.0] * len(candidates)
    for group in together(candidates):
        probes = Probes(model, graph, [candidates[index] for index in group], objective, batches, step)
        found = path_slopes(probes, batches, points)
        for index, score in zip(group, found, strict=True):
            scores[index] = score
    return scores


def path_slopes(probes: Probes, batches: Sequence[Any], points: int) -> list[float]:
    """dL/d(gate) of each probe, averaged over `points` midpoints of the path from 0 to 1."""
    slopes = [probes.slopes(probes.gates((2 * z - 1) / (2 * points)), batches) for z in range(1, points + 1)]
    return [float(s) for s in torch.stack(slopes).mean(0)]

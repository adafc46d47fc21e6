"""New units beside old ones: how long they have trained, and which weights are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph
from growsearch.growth.candidate import Candidate, NewUnit, Removal, Split
from growsearch.surgery import Deepening, rename


class UnitAges:
    """The step at which each unit of each site was new or split; 0 for the seed's."""

    def __init__(self, graph: NetworkGraph) -> None:
        self._steps = {name: [0] * site.units for name, site in graph.sites.items()}

    def ages(self, step: int) -> dict[str, list[int]]:
        """Steps since then."""
        return {name: [step - start for start in starts] for name, starts in self._steps.items()}

    def update(
        self,
        before: NetworkGraph,
        after: NetworkGraph,
        chosen: Sequence[Candidate],
        insertions: Sequence[Deepening],
        step: int,
    ) -> None:
        """Follow an event: units keep their place in the order, new ones come last; those of copied blocks are new.

        Args:
            before: the graph before the event.
            after: the graph after it.
            chosen: what was installed.
            insertions: of layers and blocks among it.
            step: of the training.
        """
        steps = {}
        for name, site in before.sites.items():
            own = [c for c in chosen if c.site == name]
            split = {c.source for c in own if isinstance(c, Split)}
            removed = {c.removed for c in own if isinstance(c, Removal)}
            kept = [
                step if unit in split else self._steps[name][unit] for unit in range(site.units) if unit not in removed
            ]
            steps[rename(name, insertions)] = kept + [step for c in own if isinstance(c, NewUnit | Split)]
        self._steps = {
            name: steps[name] if len(steps.get(name, ())) == site.units else [step] * site.units
            for name, site in after.sites.items()
        }

    def state_dict(self) -> dict[str, list[int]]:
        """Plain data for a checkpoint."""
        return {name: list(starts) for name, starts in self._steps.items()}

    def load_state_dict(self, state: Mapping[str, Sequence[int]]) -> None:
        """Inverse of `state_dict`."""
        self._steps = {name: list(starts) for name, starts in state.items()}


def marks(model: nn.Module, graph: NetworkGraph, units: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """By parameter, 1 at the elements that belong to `units[site]`, 0 elsewhere; only parameters that have some."""
    parameters = dict(model.named_parameters())
    found: dict[str, Tensor] = {}
    for name, own in units.items():
        for use in graph.sites[name].axes:
            if use.tensor not in parameters:
                continue
            mark = found.setdefault(use.tensor, torch.zeros_like(parameters[use.tensor]))
            mark.index_fill_(use.axis, torch.tensor(use.positions(*own), device=mark.device), 1.0)
    return found

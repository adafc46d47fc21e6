"""New units beside old ones: how long they have trained, and how fast they move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import InputError
from growsearch.graph import NetworkGraph
from growsearch.growth.candidate import Candidate, NewUnit, Removal, Split
from growsearch.surgery import Deepening, rename


@dataclass(frozen=True)
class NewUnitSettings:
    """How new units are treated.

    `age`: steps that a unit trains, from when it was new or split, before it may be split or removed. `boost`: factor
    of the learning rate of new units, for `steps` steps.
    """

    age: int = 0
    boost: float = 1.0
    steps: int = 0

    def __post_init__(self) -> None:
        if self.age < 0 or self.steps < 0 or not self.boost > 0:
            raise InputError(f"{self}: age and steps must be at least 0, boost above 0")
        if (self.boost == 1) != (self.steps == 0):
            raise InputError(f"{self}: a boost lasts for some steps; give both, or neither")

    @property
    def boosts(self) -> bool:
        """Whether new units learn at a rate of their own."""
        return self.boost != 1


class UnitAges:
    """The step at which each unit of each site was new or split; 0 for the seed's."""

    def __init__(self, graph: NetworkGraph) -> None:
        self._steps = {name: [0] * site.units for name, site in graph.sites.items()}

    def ages(self, step: int) -> dict[str, list[int]]:
        """Steps since then."""
        return {name: [step - start for start in starts] for name, starts in self._steps.items()}

    def new_units(self, step: int, steps: int) -> dict[str, list[int]]:
        """By site, the units that became new less than `steps` steps ago."""
        found = {
            name: [unit for unit, start in enumerate(starts) if start > 0 and step - start < steps]
            for name, starts in self._steps.items()
        }
        return {name: units for name, units in found.items() if units}

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


def boost_new_units(
    settings: NewUnitSettings,
    optimizer: Optimizer | Sequence[Optimizer] | None,
    model: nn.Module,
    marked_units: Callable[[], Mapping[str, Tensor]],
) -> None:
    """Let every step of the optimizer move new units `settings.boost` times as far.

    `marked_units` gives, by parameter, which of its elements belong to them. What an optimizer does with a gradient is
    left alone: its update is scaled, which is the same as another learning rate for any optimizer.

    Args:
        settings: how long and how far.
        optimizer: one or several.
        model: whose units they are.
        marked_units: gives, by parameter, which of its elements belong to new units.
    """
    if optimizer is None:
        raise InputError(f"{settings}: a boost of the learning rate needs the optimizer")
    before: dict[str, Tensor] = {}
    marked: dict[str, Tensor] = {}

    def remember(*_: Any) -> None:
        parameters = dict(model.named_parameters())
        marked.update(marked_units())
        before.update({name: parameters[name].detach().clone() for name in marked})

    def scale(*_: Any) -> None:
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for name, old in before.items():
                update = parameters[name] - old
                parameters[name].add_(update * marked[name], alpha=settings.boost - 1)
        before.clear()
        marked.clear()

    for each in [optimizer] if isinstance(optimizer, Optimizer) else optimizer:
        each.register_step_pre_hook(remember)
        each.register_step_post_hook(scale)


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

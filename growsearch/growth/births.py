"""When every weight came: the seed's at step 0, those of an event at the step of the event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from growsearch.surgery import AxisEdit, BlockInsertion, Edit, Insertion, rename
from growsearch.surgery.moves import moves_of


class Births:
    """The step at which each position of each axis of each parameter came, and each parameter that came as a whole.

    A weight is as young as the youngest of its positions: a new unit's row and column are new, whatever they meet. Of
    the copies of a split unit, the first is the unit itself, the others are new. Only what changed is kept.
    """

    def __init__(self) -> None:
        self._axes: dict[str, dict[int, list[int]]] = {}
        self._whole: dict[str, int] = {}
        self.revision = 0
        """Counts the changes: what was made from these steps holds until the next one."""

    def update(self, shapes: Mapping[str, Sequence[int]], edits: Sequence[Edit], model: nn.Module, step: int) -> None:
        """Follow an event.

        Args:
            shapes: of the parameters before it, by the names of before.
            edits: that were made.
            model: the network after it.
            step: of the training.
        """
        by_tensor: dict[str, list[AxisEdit]] = defaultdict(list)
        for edit in edits:
            if isinstance(edit, AxisEdit) and edit.tensor in shapes:
                by_tensor[edit.tensor].append(edit)
        for name, own in by_tensor.items():
            for move in moves_of(shapes[name], own):
                old = self._axes.get(name, {}).get(move.axis) or [0] * shapes[name][move.axis]
                self._axes.setdefault(name, {})[move.axis] = _followed(old, move.source, step)
        insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
        self._axes = {rename(name, insertions): axes for name, axes in self._axes.items()}
        self._whole = {rename(name, insertions): born for name, born in self._whole.items()}
        known = {rename(name, insertions) for name in shapes}
        self._whole |= {name: step for name, _ in model.named_parameters() if name not in known}
        self.revision += 1

    def of(self, name: str, parameter: Tensor) -> Int[Tensor, "*axes"] | None:
        """The step at which each element came, shaped like the parameter; None where all of it is the seed's."""
        if name not in self._axes and name not in self._whole:
            return None
        born = torch.full(parameter.shape, self._whole.get(name, 0), dtype=torch.long, device=parameter.device)
        for axis, steps in self._axes.get(name, {}).items():
            shape = [-1 if axis == each else 1 for each in range(parameter.ndim)]
            born = torch.maximum(born, torch.tensor(steps, device=parameter.device).reshape(shape))
        return born

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        axes = {name: {axis: list(steps) for axis, steps in own.items()} for name, own in self._axes.items()}
        return {"axes": axes, "whole": dict(self._whole)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._axes = {name: {int(axis): list(s) for axis, s in own.items()} for name, own in state["axes"].items()}
        self._whole = dict(state["whole"])
        self.revision += 1


def parameter_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, by name."""
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _followed(old: Sequence[int], source: Sequence[int], step: int) -> list[int]:
    seen: set[int] = set()
    steps = []
    for position in source:
        steps.append(step if position < 0 or position in seen else old[position])
        seen.add(position)
    return steps

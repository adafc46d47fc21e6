"""Which parameters an event changed in shape, and what of them is new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from growsearch.surgery import AxisEdit, BlockInsertion, Edit, Insertion, rename
from growsearch.surgery.moves import moves_of

Runs = tuple[tuple[int, int], ...]
"""Positions along an axis, as runs `[start, stop)`."""


@dataclass(frozen=True)
class ChangedParameter:
    """Shapes before (None: it was not there) and after, and by axis the positions that are new.

    An element is new where any of its positions is. Of the copies of a unit that was split, the first is the unit
    itself; connections that a mask released are not new.
    """

    before: tuple[int, ...] | None
    after: tuple[int, ...]
    new: dict[int, Runs]

    @property
    def has_new(self) -> bool:
        """Whether any of its elements is new."""
        return self.before is None or bool(self.new)

    def mask(self) -> Bool[Tensor, "*shape"]:
        """Return True at the elements that are new."""
        mask = torch.full(self.after, self.before is None)
        for axis, runs in self.new.items():
            for start, stop in runs:
                mask.narrow(axis, start, stop - start).fill_(True)
        return mask


def changed_parameters(
    shapes: Mapping[str, tuple[int, ...]], edits: Sequence[Edit], model: nn.Module
) -> dict[str, ChangedParameter]:
    """Return what edits changed, by the names that parameters have after them, in the order of the model.

    Args:
        shapes: of the parameters before the edits.
        edits: that were made.
        model: after them.
    """
    insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
    by_tensor: dict[str, list[AxisEdit]] = defaultdict(list)
    for edit in edits:
        if isinstance(edit, AxisEdit) and edit.tensor in shapes:
            by_tensor[edit.tensor].append(edit)
    before = {rename(name, insertions): (name, shape) for name, shape in shapes.items()}
    found = {}
    for name, parameter in model.named_parameters():
        after = tuple(parameter.shape)
        if name not in before:
            found[name] = ChangedParameter(None, after, {})
            continue
        old_name, shape = before[name]
        moves = moves_of(shape, by_tensor[old_name]) if old_name in by_tensor else ()
        new = {move.axis: runs for move in moves if (runs := runs_of(_is_new(move.source)))}
        if new or shape != after:
            found[name] = ChangedParameter(shape, after, new)
    return found


def runs_of(marked: Sequence[bool]) -> Runs:
    """Return the runs of marked positions."""
    runs: list[list[int]] = []
    for place, one in enumerate(marked):
        if not one:
            continue
        if runs and runs[-1][1] == place:
            runs[-1][1] = place + 1
        else:
            runs.append([place, place + 1])
    return tuple((start, stop) for start, stop in runs)


def _is_new(source: Sequence[int]) -> list[bool]:
    """Of every position after a move, whether none of before, or a second copy of one, is there."""
    seen: set[int] = set()
    marked = []
    for place in source:
        marked.append(place < 0 or place in seen)
        seen.add(place)
    return marked

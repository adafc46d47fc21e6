"""Which parameters are new after growths: whole tensors, or positions along their axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torch import nn

from growsearch.surgery import AxisEdit, Edit
from growsearch.surgery.moves import moves_of

Old = dict[str, list[list[bool]]]
"""By parameter, for every position of every axis, whether it was there before."""


def all_old(model: nn.Module) -> Old:
    """Return the record of a model of which nothing is new yet."""
    return {name: [[True] * size for size in parameter.shape] for name, parameter in model.named_parameters()}


def after(old: Old, edits: Iterable[Edit]) -> Old:
    """Return the record after the edits of one growth; copies of units are new, their first occurrence is not."""
    by_tensor: dict[str, list[AxisEdit]] = {}
    for edit in edits:
        if isinstance(edit, AxisEdit) and edit.tensor in old:
            by_tensor.setdefault(edit.tensor, []).append(_placed(edit))
    found = dict(old)
    for name, own in by_tensor.items():
        axes = list(old[name])
        for move in moves_of([len(axis) for axis in axes], own):
            seen: set[int] = set()
            axes[move.axis] = [_first(place, seen) and axes[move.axis][place] for place in move.source]
        found[name] = axes
    return found


def _placed(edit: AxisEdit) -> AxisEdit:
    """The edit without the values that it brings."""
    return replace(edit, fill=0.0, scale=None, shifted=(), shift=None)


def _first(place: int, seen: set[int]) -> bool:
    if place < 0 or place in seen:
        return False
    seen.add(place)
    return True


def described(old: Old) -> dict[str, str | dict[str, list[list[int]]]]:
    """Return what is new: by parameter "all", or by axis the runs `[start, stop)` of its new positions."""
    found: dict[str, str | dict[str, list[list[int]]]] = {}
    for name, axes in old.items():
        runs = {str(axis): _runs(positions) for axis, positions in enumerate(axes) if not all(positions)}
        if axes and not any(axes[0]):
            found[name] = "all"
        elif runs:
            found[name] = runs
    return found


def count_new(old: Old) -> int:
    """Return the number of elements that are new."""
    total = 0
    for axes in old.values():
        every, kept = 1, 1
        for axis in axes:
            every, kept = every * len(axis), kept * sum(axis)
        total += every - kept
    return total


def whole(names: Mapping[str, Sequence[int]]) -> Old:
    """Return the record of tensors, of shapes by name, that are new as a whole."""
    return {name: [[False] * size for size in shape] for name, shape in names.items()}


def _runs(positions: Sequence[bool]) -> list[list[int]]:
    runs: list[list[int]] = []
    for place, was in enumerate(positions):
        if was:
            continue
        if runs and runs[-1][1] == place:
            runs[-1][1] = place + 1
        else:
            runs.append([place, place + 1])
    return runs

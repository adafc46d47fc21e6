"""Which parameters are new after growths: whole tensors, or positions along their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from growsearch.growth.changed_parameters import runs_of
from growsearch.surgery import AxisEdit, Edit
from growsearch.surgery.edits import BlockInsertion
from growsearch.surgery.moves import moves_of

Old = dict[str, list[list[bool]]]
"""By parameter, for every position of every axis, whether it was there before."""


def all_old(model: nn.Module) -> Old:
    """Return the record of a model of which nothing is new yet."""
    return {name: [[True] * size for size in parameter.shape] for name, parameter in model.named_parameters()}


def after(old: Old, edits: Sequence[Edit]) -> Old:
    """Return the record after the edits of one growth; copies of units and blocks are new, their originals are not."""
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
    for edit in edits:
        if isinstance(edit, BlockInsertion):
            found = _deeper(found, edit)
    return found


def _deeper(old: Old, insertion: BlockInsertion) -> Old:
    """The record with the blocks' new numbers, and with their copies."""
    start = f"{insertion.path}.{insertion.prefix}".lstrip(".")
    behind = sum(1 for _ in insertion.copies)
    found: Old = {}
    places = list(enumerate(order_after(insertion.blocks, insertion.copies)))
    for name, axes in old.items():
        number, dot, rest = name.removeprefix(start).partition(".")
        if not (name.startswith(start) and dot and number.isdigit()) or int(number) < insertion.first:
            found[name] = axes
            continue
        block = int(number) - insertion.first
        if block >= insertion.blocks:
            found[f"{start}{int(number) + behind}.{rest}"] = axes
        for place, (source, new) in places:
            if source == block:
                kept = [[False] * len(axis) for axis in axes] if new else axes
                found[f"{start}{insertion.first + place}.{rest}"] = kept
    return found


def order_after(blocks: int, copies: Sequence[tuple[int, int]]) -> list[tuple[int, bool]]:
    """Return the blocks in their order after an insertion: which old one each is, and whether it is a copy of it."""
    order: list[tuple[int, bool]] = []
    for block in range(blocks):
        order.append((block, False))
        order += [(source, True) for behind, source in copies if behind == block]
    return order


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
        marked = {str(axis): [not was for was in positions] for axis, positions in enumerate(axes)}
        runs = {axis: [list(run) for run in runs_of(new)] for axis, new in marked.items() if any(new)}
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

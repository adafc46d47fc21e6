"""Reshapes whose reading is left open: which of the axes changes is known when other calls have fixed the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from growsearch.graph.spaces import Space, freeze, is_frozen, mark_counted, resolve, unify, width

MANY = 4096
"""More copies of an axis than this are not followed."""


@dataclass(frozen=True)
class Split:
    """Axes `old`, reshaped to the axes `new` in the same order of elements.

    Eight channels as 2 x 4 may be two fixed rows of channels that change, or rows that change of four fixed channels:
    one axis on each side changes, all others are fixed. `inferred` is the new axis that the code wrote as -1.
    """

    old: tuple[Space, ...]
    new: tuple[Space, ...]
    reason: str
    call: str
    inferred: int | None = None

    def settle(self) -> bool:
        """Join the two sides where one axis on each is left that may change; whether the reading is known."""
        before, after = _free(self.old), _free(self.new)
        if not before or not after:
            self._freeze(self.reason)
            return True
        if len(before) > 1 or len(after) > 1:
            return False
        first, second = _flat(self.old, before[0]), _flat(self.new, after[0])
        if first is None or second is None:
            self._freeze(self.reason)
        else:
            unify(first, second)
            mark_counted(first, self.reason)
        return True

    def choose(self) -> None:
        """Fix all but the axis that changes elsewhere, else the inferred one, else heads, where it looks like these.

        Whether the code follows is found by running it wider. Otherwise nothing says which axis changes, and all are
        frozen.
        """
        chosen = self.hinted()
        if chosen is None:
            self._freeze(f"{self.reason}, and which of these axes changes is not known")
            return
        for number, pieces in enumerate(self.new):
            if number != chosen:
                freeze(pieces, f"given as a number, {self.reason}", self.call)

    def hinted(self) -> int | None:
        """The new axis that changes, if anything says so."""
        if len(_free(self.old)) > 1:
            return None
        known = {block for pieces in self.old for block, _ in resolve(pieces)}
        for number in _free(self.new):  # another reshape of the same features was decided so
            if known & {block for block, _ in resolve(self.new[number])}:
                return number
        if self.inferred is not None:
            return None if is_frozen(self.new[self.inferred]) else self.inferred
        last = len(self.new) - 1
        return last - 1 if _free(self.new) == [last - 1, last] else None

    def _freeze(self, reason: str) -> None:
        for pieces in (*self.old, *self.new):
            freeze(pieces, reason, self.call)


def settle(splits: Sequence[Split]) -> None:
    """Decide all splits: first those that only one reading fits, then, one by one, those that the code hints at."""
    left = list(splits)
    while left:
        still = [split for split in left if not split.settle()]
        if len(still) == len(left):
            next((split for split in still if split.hinted() is not None), still[0]).choose()
        left = still


def _free(axes: tuple[Space, ...]) -> list[int]:
    return [number for number, pieces in enumerate(axes) if not is_frozen(pieces)]


def _flat(axes: tuple[Space, ...], changing: int) -> Space | None:
    """All axes as one, while only one of them changes: inner axes repeat its units, outer ones the whole."""
    outer = prod(width(pieces) for pieces in axes[:changing])
    inner = prod(width(pieces) for pieces in axes[changing + 1 :])
    if outer > MANY:
        return None
    return tuple((block, repeat * inner) for block, repeat in axes[changing]) * outer

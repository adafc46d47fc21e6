"""Words and numbers as every sentence and table about a comparison has them."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def human(number: float) -> str:
    """Return a count with three digits and a unit: 1234567 is `1.23 M`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def plural(count: int, word: str) -> str:
    """Return `1 seed`, `2 seeds`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

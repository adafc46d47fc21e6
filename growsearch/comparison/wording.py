"""Words as every sentence and table about a comparison has them."""

from __future__ import annotations

from collections.abc import Sequence

# What stands where several seeds have a standard deviation, an interval or a test.
ONE_SEED = "one seed: no spread can be told"
NOTHING_TESTED = "One seed: no spread can be told, and nothing is tested"


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

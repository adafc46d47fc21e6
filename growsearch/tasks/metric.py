"""A number that an evaluation gives, and how it is to be read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """`name` is its key behind `validation_` and `test_`, `words` what tables call it.

    `percent`: a share between 0 and 1, shown as a percentage, its differences in points.
    """

    name: str
    words: str
    higher_is_better: bool = False
    percent: bool = False

    def plain(self) -> dict[str, Any]:
        """Return plain data, from which `Metric(**plain)` is this metric."""
        return asdict(self)


LOSS = Metric("loss", "loss")
